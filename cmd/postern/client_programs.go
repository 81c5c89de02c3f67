package main

import "strings"

// clientProgram is a mail program for which settings are printed.
type clientProgram struct {
	name, title string
	template    string   // in clients/, when it is not the name
	needs       []string // of imap, smtp, pop3
	token       bool     // it also takes a token from a command
	tunnel      bool     // it also runs a command in place of a connection
	noStartTLS  bool     // it knows TLS from the first byte only
	tried       bool     // test/lab runs it with these very settings
	goes        string   // where the settings belong
	file        string   // the name of the file that the program opens; DOMAIN and SECTION in it are the settings'
	mediaType   string   // of that file
	language    string   // for the block in docs/clients.md
	note        string   // SECTION in it is the settings'
	tokenNote   string   // for the settings with --token
}

// say fills a note.
func (s clientSettings) say(note string) string {
	return strings.NewReplacer("SECTION", s.Section(), "DOMAIN", s.Domain()).Replace(note)
}

// clientPrograms is the table of clients, in the order in which they are shown.
func clientPrograms() []clientProgram {
	imap, smtp, pop3 := []string{"imap"}, []string{"smtp"}, []string{"pop3"}
	return []clientProgram{
		{name: "thunderbird", title: "Thunderbird", needs: imap, tried: true, language: "xml", file: "DOMAIN.xml", mediaType: "text/xml; charset=utf-8",
			goes: "isp/DOMAIN.xml in Thunderbird's program directory (Debian: /usr/lib/thunderbird), before the account is added there",
			note: "or choose Manual configuration there (older ones: Configure manually) and type the same values; Microsoft and Google keep a copy of what is sent, so untick Account Settings > Copies & Folders > Place a copy in; with --tls, first import the certificate at Settings > Privacy & Security > Manage Certificates > Authorities"},
		{name: "apple-mail", title: "Apple Mail", needs: []string{"imap", "smtp"}, language: "xml", file: "SECTION.mobileconfig", mediaType: "application/x-apple-aspen-config",
			goes: "a file named postern.mobileconfig: open it, then agree in System Settings > Device Management",
			note: "the password is asked for at the first use"},
		{name: "outlook", title: "Outlook for Windows (classic)", needs: imap,
			note: "the new Outlook and Outlook on a phone connect from Microsoft's servers and can not reach this machine"},
		{name: "claws-mail", title: "Claws Mail", needs: imap, tried: true},
		{name: "mutt", title: "mutt", needs: imap, token: true, tunnel: true, tried: true, goes: "~/.muttrc"},
		{name: "neomutt", title: "NeoMutt", template: "mutt", needs: imap, token: true, tunnel: true, tried: true, goes: "~/.config/neomutt/neomuttrc"},
		{name: "alpine", title: "Alpine", needs: imap, tried: true, goes: "~/.pinerc",
			note: "it asks for the password; it warns that the server offers AUTH=PLAIN without TLS, which does not leave this machine"},
		{name: "aerc", title: "aerc", needs: imap, token: true, tried: true, goes: "~/.config/aerc/accounts.conf (chmod 600)",
			note: "before version 0.15, write smtp:// in place of smtp+insecure://"},
		{name: "himalaya", title: "Himalaya 2", needs: imap, token: true, goes: "~/.config/himalaya/config.toml", language: "toml",
			note: "version 1 has another form of file"},
		{name: "mbsync", title: "mbsync (isync)", needs: imap, token: true, tunnel: true, tried: true,
			goes: "~/.mbsyncrc", note: "make the directory first: mkdir -p ~/Mail/SECTION", tokenNote: "the SASL library needs a module for XOAUTH2 (Debian: libsasl2-modules-kdexoauth2)"},
		{name: "offlineimap", title: "OfflineIMAP", needs: imap, token: true, tunnel: true, tried: true, goes: "~/.offlineimaprc", language: "ini"},
		{name: "getmail", title: "getmail 6", needs: imap, noStartTLS: true, token: true, tried: true, goes: "~/.config/getmail/getmailrc", language: "ini",
			note: "make the Maildir first: mkdir -p ~/Mail/SECTION/cur ~/Mail/SECTION/new ~/Mail/SECTION/tmp"},
		{name: "fetchmail", title: "fetchmail", needs: imap, tried: true, goes: "~/.fetchmailrc (chmod 600)"},
		{name: "mpop", title: "mpop", needs: pop3, token: true, tried: true, goes: "~/.mpoprc (chmod 600)",
			note: "make the Maildir first: mkdir -p ~/Mail/SECTION/cur ~/Mail/SECTION/new ~/Mail/SECTION/tmp"},
		{name: "msmtp", title: "msmtp", needs: smtp, token: true, tried: true, goes: "~/.msmtprc (chmod 600)"},
		{name: "imapfilter", title: "imapfilter", needs: imap, token: true, tried: true, goes: "~/.imapfilter/config.lua", language: "lua"},
		{name: "imaplib", title: "Python (imaplib)", needs: imap, token: true, tried: true, language: "python"},
		{name: "curl", title: "curl", needs: imap, token: true, tried: true, language: "sh"},
	}
}
