package main

import "flag"

// commands is the table of what the program can do; the help is written from it.
func commands() []command {
	asJSON := func(f *flag.FlagSet, o *options) { f.BoolVar(&o.json, "json", false, "print JSON for scripts") }
	chooseFlag := func(f *flag.FlagSet, o *options) {
		f.BoolVar(&o.choose, "choose", false, "type your own, or pipe it in")
	}
	return []command{
		{name: "demo", args: "[--addr ADDRESS] [--json]", does: "the whole path on an embedded stand-in for Microsoft: try it now",
			more: "Needs no network and no configuration, and leaves nothing behind.",
			flags: func(f *flag.FlagSet, o *options) {
				f.StringVar(&o.addr, "addr", usualAddress["imap"], "where mail clients connect by IMAP")
				asJSON(f, o)
			}, run: runDemo},
		{name: "setup", args: "[EMAIL] [--client-id ID] [--provider P] [--tenant T] [--client NAME] [--label L] [--send] [--key PLACE] [--device] [--no-browser] [--yes]",
			does: "guided first run: account, sign-in, local password, settings for the mail client",
			more: "May be run again: it keeps what works. Without a terminal it asks nothing, and says which flag is missing.\n" +
				"--send opens SMTP in the configuration, where it is off, and signs in for it.\n" +
				"PLACE is file, keyring or credential: where the key is that protects the tokens. It is asked for once; \"postern store move\" changes it.",
			flags: setupFlags, run: runSetup},
		{name: "account add", args: "EMAIL [--provider P] [--client-id ID] [--tenant T] [--flow F] [--mailbox M] ...", does: "add an account",
			more: "Flows: browser (default), device, client-credentials. Providers: " + builtInNames() + ", and those of the configuration file.",
			flags: func(f *flag.FlagSet, o *options) {
				f.StringVar(&o.provider, "provider", "", "the mail provider; found by the address when not given")
				f.StringVar(&o.clientID, "client-id", "", "the `ID` of your app registration (docs/microsoft.md)")
				f.StringVar(&o.tenant, "tenant", "", "directory to sign in to, when the provider's default is not yours")
				f.StringVar(&o.flow, "flow", "", "how to sign in")
				f.StringVar(&o.mailbox, "mailbox", "", "the mailbox to open, when it is not EMAIL (shared mailbox)")
				f.StringVar(&o.signInAs, "sign-in-as", "", "the `ADDRESS` to sign in with, when it is not EMAIL")
				f.StringVar(&o.clientSecretFile, "client-secret-file", "", "`FILE` with the app's secret")
				f.StringVar(&o.clientCertificate, "client-certificate", "", "`FILE` with the app's certificate (PEM)")
				f.StringVar(&o.clientKey, "client-key", "", "`FILE` with the certificate's key (PEM)")
			}, run: runAccountAdd},
		{name: "account list", args: "[--json]", does: "list the accounts", flags: asJSON, run: runAccountList},
		{name: "account remove", args: "EMAIL", does: "remove an account with its tokens and local passwords",
			more: "Its sessions end.", run: runAccountRemove},
		{name: "login", args: "EMAIL [--device] [--no-browser]", does: "sign in to the provider",
			more: "--device shows a code to type on any other device. --no-browser prints the address to open, and also takes the\n" +
				"address at which the browser ends, pasted here.",
			flags: func(f *flag.FlagSet, o *options) {
				f.BoolVar(&o.device, "device", false, "sign in on another device")
				f.BoolVar(&o.noBrowser, "no-browser", false, "do not open a browser")
			}, run: runLogin},
		{name: "logout", args: "EMAIL | --all", does: "forget the tokens of one account or of all",
			more:  "Sessions end, and a provider that has an address for it is told. Accounts and local passwords stay.",
			flags: func(f *flag.FlagSet, o *options) { f.BoolVar(&o.all, "all", false, "every account") }, run: runLogout},
		{name: "password add", args: "EMAIL [--label L] [--read-only | --send-only] [--expires D] [--choose]", does: "make a local password for one client program",
			more: "The password is shown once and stored hashed. --expires takes 90d or 2027-01-31.",
			flags: func(f *flag.FlagSet, o *options) {
				f.StringVar(&o.label, "label", "", "which program it is for")
				f.BoolVar(&o.readOnly, "read-only", false, "it can read mail and change nothing")
				f.BoolVar(&o.sendOnly, "send-only", false, "it can send mail and read none")
				f.StringVar(&o.expires, "expires", "", "until when it is good")
				chooseFlag(f, o)
			}, run: runPasswordAdd},
		{name: "password hash", args: "EMAIL [--choose]", does: "print a local password and its password_hash, for accounts that the configuration declares",
			more: "Nothing is stored. With --choose only the hash is printed.", flags: chooseFlag, run: runPasswordHash},
		{name: "password list", args: "[EMAIL] [--json]", does: "list the local passwords", flags: asJSON, run: runPasswordList},
		{name: "password revoke", args: "EMAIL ID|LABEL", does: "take a local password back",
			more: "The sessions that it has opened end.", run: runPasswordRevoke},
		{name: "open", args: "[--no-browser]", does: "open the web page of the daemon",
			more: "The link opens it for one browser, once and within two minutes; --no-browser prints it.",
			flags: func(f *flag.FlagSet, o *options) {
				f.BoolVar(&o.noBrowser, "no-browser", false, "print the link, and open no browser")
			}, run: runOpen},
		{name: "serve", does: "run the daemon",
			more: "Ctrl-C ends it, and so does the end of its terminal. \"postern service install\" has the system start it.", run: runServe},
		{name: "reload", does: "put a changed configuration into force; sessions go on",
			more: "A configuration with a mistake is refused, and nothing changes.", run: runReload},
		{name: "status", args: "[--json]", does: "each account: state, token, sessions, last problem and its cure", flags: asJSON, run: runStatus},
		{name: "check", args: "[EMAIL] [--json] [--bundle FILE]", does: "find out what is broken, from the configuration to the mailbox, and what cures it",
			more: "Changes nothing; a token may be renewed, as for any session. --bundle writes a report for a bug report, without secrets and names.",
			flags: func(f *flag.FlagSet, o *options) {
				f.StringVar(&o.bundle, "bundle", "", "write a report to `FILE`")
				asJSON(f, o)
			}, run: runCheck},
		{name: "store move", args: "file|keyring|credential", does: "move the key that protects the tokens to another place",
			more: "keyring is the system's own; credential is systemd's LoadCredential (packaging/README.md). Every record gets a new key.\n" +
				"file:PATH and credential:NAME are places with a name of your own.", run: runStoreMove},
		{name: "store rekey", does: "seal every record with a new key, in the same place", run: runStoreRekey},
		{name: "tray", does: "an icon for the desktop's tray, and a notification when a person must act",
			more: "The daemon runs without it. Its menu signs in, pauses and resumes. Where the desktop has no tray it goes on with notifications alone.",
			run:  runTray},
		{name: "token", args: "EMAIL [--format raw|xoauth2|oauthbearer|json]", does: "print an access token for another program",
			flags: func(f *flag.FlagSet, o *options) {
				f.StringVar(&o.format, "format", "raw", "raw, xoauth2, oauthbearer or json")
			}, run: runToken},
		{name: "client", args: "[NAME [EMAIL]] [--token | --tunnel] [--tls]", does: "ready settings for a mail client; without NAME, the list of clients",
			more: "The settings go to standard output, alone. EMAIL may be left out when there is one account.", flags: clientFlags, run: runClient},
		{name: "connect", args: "EMAIL", does: "a mail session on standard input and output that is logged in already",
			more: "For the tunnel settings of mutt, mbsync and OfflineIMAP (docs/clients.md); no local password is needed.", run: runConnect},
		{name: "import", args: "FILE [EMAIL] [--client-id ID] [--password] [--dry-run]", does: "take accounts over from another program's settings",
			more: "FILE is email-oauth2-proxy's emailproxy.config, davmail.properties, a token file of mutt_oauth2.py, a configuration or token of\n" +
				"oama, or pizauth.conf; - is standard input. It is never changed. EMAIL takes one account only, or names it where the file does not.",
			flags: importFlags, run: runImport},
		{name: "service install", args: "[--system] [--force] [--no-start]", does: "have the system start the daemon: at login, or with --system at boot",
			more: "A systemd unit on Linux, a launchd agent on macOS, a scheduled task on Windows. The global flags of this call are the\n" +
				"daemon's too: \"postern --log-level debug service install\". May be run again, as after moving the program.",
			flags: serviceInstallFlags, run: runServiceInstall},
		{name: "service uninstall", args: "[--system] [--force]", does: "take back what service install did; accounts, tokens and settings stay", flags: serviceUninstallFlags, run: runServiceUninstall},
		{name: "service status", args: "[--system] [--json]", does: "say whether the system starts the daemon, and whether it runs",
			more: "Ends with 0 when it runs, and with 1 when not; with --json always with 0.",
			flags: func(f *flag.FlagSet, o *options) {
				serviceFlags(f, o)
				asJSON(f, o)
			}, run: runServiceStatus},
		{name: "completion", args: "bash|zsh|fish", does: "print what completes commands in a shell",
			more: "Load it with source <(postern completion bash), or save it where the shell looks: for bash as\n" +
				"~/.local/share/bash-completion/completions/postern, for zsh as _postern in a directory of $fpath, for fish as\n" +
				"~/.config/fish/completions/postern.fish. The packages do that.", run: runCompletion},
		{name: "complete", args: "-- WORD ...", hidden: true, does: "answer the scripts of completion", run: runComplete},
		{name: "man", args: "[FILE]", hidden: true, does: "print postern(1), or from config.example.toml as FILE postern.toml(5)", run: runMan},
		{name: renewCommand, hidden: true, does: "finish one refresh for a process that may be killed", run: runRenew},
		{name: "version", does: "print the version", run: runVersion},
		{name: "help", args: "[COMMAND]", does: "explain", run: runHelp},
	}
}
