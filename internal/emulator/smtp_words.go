package emulator

import (
	"fmt"
	"time"
)

// What Exchange's SMTP says, word for word where a log or Microsoft's documentation has it (until 2026).
const (
	smtpOK            = "250 2.0.0 OK"
	smtpReset         = "250 2.0.0 Resetting"
	smtpSenderOK      = "250 2.1.0 Sender OK"
	smtpRecipientOK   = "250 2.1.5 Recipient OK"
	smtpStartTLS      = "220 2.0.0 SMTP server ready"
	smtpStartMail     = "354 Start mail input; end with <CRLF>.<CRLF>"
	smtpGoodbye       = "221 2.0.0 Service closing transmission channel"
	smtpAccepted      = "235 2.7.0 Authentication successful"
	smtpBadSequence   = "503 5.5.1 Bad sequence of commands"
	smtpBadArguments  = "501 5.5.4 Invalid arguments"
	smtpBadAddress    = "501 5.1.7 Invalid address"
	smtpBadAUTH       = "504 5.7.4 Unrecognized authentication type"
	smtpBadBDAT       = "501 5.5.4 Invalid arguments: BDAT takes a size, and LAST"
	smtpNoTLS         = "451 5.7.3 STARTTLS is required to send mail"
	smtpNoLogin       = "530 5.7.57 Client not authenticated to send mail."
	smtpTooLarge      = "552 5.3.4 Message size exceeds fixed maximum message size"
	smtpTooManyErrors = "421 4.7.0 Too many errors on this connection, closing transmission channel"
	smtpTemporary     = "451 4.7.0 Temporary server error. Please try again later. PRX2"
	smtpFull          = "432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information."
	smtpSendAsDenied  = "554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; " +
		"Failed to process message due to a permanent exception with message [BeginDiagnosticData]Cannot submit message. [EndDiagnosticData]"
	smtpWrongToken      = "535 5.7.3 Authentication unsuccessful"
	smtpNoPasswords     = "535 5.7.139 Authentication unsuccessful, basic authentication is disabled."
	smtpTenantDisabled  = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information."
	smtpMailboxDisabled = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. Visit https://aka.ms/smtp_auth_disabled for more information."
)

func smtpGreeting() string {
	return fmt.Sprintf("220 %s Microsoft ESMTP MAIL Service ready at %s [%s]",
		serverName, time.Now().UTC().Format(time.RFC1123Z), newGUID()[:8]+"08DE2B00")
}

// bracket is what Exchange puts behind its refusals for its support.
func bracket() string {
	return fmt.Sprintf(" [%s %s 08DE2B00%s]", serverName, time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), newGUID()[:8])
}

// smtpFeatures answers EHLO: AUTH comes only with TLS, where STARTTLS was.
func smtpFeatures(client string, max int64, secure bool) []string {
	tls := "STARTTLS"
	if secure {
		tls = "AUTH LOGIN XOAUTH2"
	}
	return []string{
		"250-" + serverName + " Hello " + client,
		fmt.Sprintf("250-SIZE %d", max),
		"250-PIPELINING",
		"250-DSN",
		"250-ENHANCEDSTATUSCODES",
		"250-" + tls,
		"250-8BITMIME",
		"250-BINARYMIME",
		"250-CHUNKING",
		"250 SMTPUTF8",
	}
}

func smtpUnknown(verb string) string {
	return "500 5.3.3 Unrecognized command '" + printableVerb(verb) + "'"
}

func smtpQueued() string {
	return fmt.Sprintf("250 2.0.0 OK <%s@%s> [Hostname=%s]", newGUID(), serverName, serverName)
}

func smtpChunk(n int64) string { return fmt.Sprintf("250 2.6.0 CHUNK received OK, %d octets", n) }

func printableVerb(verb string) string {
	b := []byte(verb[:min(len(verb), 40)])
	for i, c := range b {
		if c < ' ' || c >= 0x7f {
			b[i] = '?'
		}
	}
	return string(b)
}
