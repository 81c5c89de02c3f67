package main

import (
	"cmp"
	"fmt"
	"strings"

	"postern/auth"
)

const errorsHead = `# Errors

Written from the program by "UPDATE_DOCS=1 go test ./cmd/postern -run TestErrorsPage"; a test compares.

Every failure has a class, and the class says who can do something about it:

| class | what helps | IMAP | SMTP | POP3 | exit code |
|---|---|---|---|---|---|
`

const errorsRest = `| wrong local password | the password of ` + "`postern password add`" + `, not the one of the mailbox | %s | %s | %s | |
| too many sessions | close some; ` + "`limits.sessions_per_mailbox`" + ` | ` + "`NO [LIMIT]` | `454 4.3.2` | `-ERR [IN-USE]`" + ` | |
| not allowed with this local password | a password without --read-only or --send-only | ` + "`NO [NOPERM]` | `535 5.7.1` | `-ERR [SYS/PERM]`" + ` | |

A mail program gets the sentence and the cure behind these codes ("sign in again" with the address of the sign-in
page), ` + "`postern status`" + ` shows them, the log has them with the code as ` + "`code=`" + `, and the commands print them with the cure as a
hint. The codes are those of RFC 5530 (IMAP), RFC 4954 (SMTP), RFC 2449 and 3206 (POP3). ` + "`NO [AUTHENTICATIONFAILED]`" + ` and
` + "`535 5.7.8`" + `, on which mail programs ask for another password, are kept for the local password. A refresh token is never
deleted because of an error.

The provider's error value decides the class; Microsoft's AADSTS number makes the sentence better, and tells a
trouble that passes, or one for an administrator, from a lost sign-in. An HTTP status of 429 or 5xx is a trouble that
passes, whatever the body says.

EMAIL, TENANT, PROVIDER, HOST and … stand for what differs from case to case.
`

var classHelp = []struct {
	class auth.Class
	helps string
}{
	{auth.Retry, "nothing: it passes, and Postern tries again by itself, after the time that the provider asks for or with growing waits"},
	{auth.Refresh, "another access token: Postern gets one and tries once more; it is shown when that did not help"},
	{auth.SignIn, "`postern login EMAIL`"},
	{auth.Admin, "the administrator of the organisation"},
	{auth.Configuration, "a setting, here or in the app registration"},
}

var sectionHeads = map[auth.Section]string{
	auth.SectionAADSTS: "Microsoft's numbers (AADSTS…)",
	auth.SectionOAuth:  "Error values of the sign-in provider",
	auth.SectionWay:    "On the way to the sign-in provider",
	auth.SectionOwn:    "What Postern finds itself",
	auth.SectionMail:   "What mail servers say",
}

func errorsPage(front *mailFront) string {
	var b strings.Builder
	b.WriteString(errorsHead)
	for _, c := range classHelp {
		w := front.hear(&auth.Problem{Class: c.class, Say: "x"}, "right").code()
		fmt.Fprintf(&b, "| %s | %s | `%s` | `%s` | `%s` | %d |\n", c.class, c.helps, w.imap, w.smtp, w.pop3, heardOf[c.class].exit)
	}
	w := front.hear(nil, "wrong").code()
	fmt.Fprintf(&b, errorsRest, quoted(w.imap), quoted(w.smtp), quoted(w.pop3))
	section := auth.Section("")
	for _, e := range auth.Catalogue() {
		if e.Section != section {
			section = e.Section
			fmt.Fprintf(&b, "\n## %s\n\n| code | class | what it means | what to do | IMAP · SMTP · POP3 · exit code |\n|---|---|---|---|---|\n", sectionHeads[section])
		}
		b.WriteString(errorRow(e))
	}
	return b.String()
}

func quoted(s string) string { return "`" + s + "`" }

func errorRow(e auth.Entry) string {
	what := strings.Join(e.Codes, ", ")
	if e.Section == auth.SectionMail {
		what = `"` + strings.Join(e.Texts, `", "`) + `"`
	}
	class, heard := e.Problem.Class.String(), "as the class"
	if h, ok := heardOf[e.Problem.Class]; ok {
		heard = fmt.Sprintf("`%s` · `%s` · `%s` · %d", h.imap, h.smtp, h.pop3, h.exit)
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s |\n", what, cmp.Or(class, "the error value's"), cell(e.Problem.Say), cell(e.Problem.Cure), heard)
}

// cell keeps a text within its cell of a table.
func cell(s string) string { return strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(s) }
