package emulator

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
)

// What Exchange says, word for word as seen on the wire (2015 to September 2026).
const (
	badCommand      = "BAD Command Error. 10"
	badArgument     = "BAD Command Argument Error. 11"
	badState        = "BAD Command received in Invalid state."
	badNotConnected = "BAD User is authenticated but not connected."
	noAuthenticate  = "NO AUTHENTICATE failed."
	noMechanism     = "NO Unsupported authentication mechanism."
	noLogin         = "NO Basic authentication is disabled."
	noLoginOld      = "NO LOGIN failed."
	noGmail         = "NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)"
	badCancelled    = "BAD The AUTH protocol exchange was canceled by the client."
	unavailable     = "Server Unavailable. 15"
	byeClosed       = "* BYE Connection closed. 14"
	byeTimeout      = "* BYE Connection is closed. 13"
	byeSigningOff   = "* BYE Microsoft Exchange Server IMAP4 server signing off."
	byeExpired      = "* BYE Session invalidated - AccessTokenExpired"
	byeExpiredGmail = "* BYE Session expired, please login again."
	moreText        = "+ Ready for additional command text."
	idleAccepted    = "+ IDLE accepted, awaiting DONE command."
	badCharset      = "NO [BADCHARSET (US-ASCII)] The specified charset is not supported."
)

const serverName = "TESTBOX01.emulator.invalid"

// serverBlob is a name as Exchange puts it into its greeting: base64 of UTF-16LE.
func serverBlob(name string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(name)) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return base64.StdEncoding.EncodeToString(b)
}

func (o MailOptions) greeting() string {
	switch {
	case o.gmail():
		return "* OK Gimap ready for requests from 127.0.0.1 x1mb1234567890abc"
	case o.OldGreeting:
		return "* OK The Microsoft Exchange IMAP4 service is ready. [" + serverBlob(serverName) + "]"
	}
	return fmt.Sprintf("* OK Microsoft Exchange IMAP4 service ready. %s (tcpproxy/15.21.0406.000 BACKENDAUTHENTICATE) [%s]",
		newGUID(), serverBlob(serverName))
}

// capabilities is the list before or after the login. Exchange goes on listing AUTH= after it.
func (o MailOptions) capabilities(loggedIn bool) string {
	auth := ""
	for _, mechanism := range o.mechanisms() {
		auth += " AUTH=" + mechanism
	}
	switch {
	case o.gmail() && loggedIn:
		return "IMAP4rev1 UNSELECT IDLE NAMESPACE ID CHILDREN UIDPLUS ENABLE MOVE UTF8=ACCEPT LITERAL+"
	case o.gmail():
		return "IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1 XYZZY SASL-IR" + auth
	case loggedIn:
		return "IMAP4 IMAP4rev1 AUTH=PLAIN" + auth + " SASL-IR UIDPLUS MOVE ID UNSELECT CLIENTACCESSRULES " +
			"CLIENTNETWORKPRESENCELOCATION BACKENDAUTHENTICATE CHILDREN IDLE NAMESPACE LITERAL+"
	case o.OldCapability:
		return "IMAP4 IMAP4rev1 AUTH=PLAIN" + auth + " SASL-IR UIDPLUS MOVE ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+"
	}
	return "IMAP4 IMAP4rev1" + auth + " LOGINDISABLED SASL-IR UIDPLUS MOVE ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+"
}

func (o MailOptions) serverID() string {
	if o.gmail() {
		return `* ID ("name" "GImap" "vendor" "Google, Inc.")`
	}
	return `* ID ("name" "Microsoft.Exchange.Imap4.Imap4Server" "version" "15.21")`
}

// completed is the OK of a command that the emulator answers itself.
func (o MailOptions) completed(name string) string {
	if o.gmail() {
		return "OK Success"
	}
	return "OK " + name + " completed."
}

// expiredLine ends a session whose access token expired.
func (o MailOptions) expiredLine() *string {
	line := byeExpired + "\r\n"
	if o.gmail() {
		line = byeExpiredGmail + "\r\n"
	}
	return &line
}

func (o MailOptions) continuation() string {
	if o.BareContinuation {
		return "+"
	}
	return "+ "
}

// challenge is the base64 JSON that Gmail, and RFC 7628 section 3.2.2, send before the tagged NO.
func challenge(mechanism string) string {
	body := `{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}`
	if mechanism == "OAUTHBEARER" {
		body = `{"status":"invalid_token","scope":"https://mail.google.com/"}`
	}
	return "+ " + base64.StdEncoding.EncodeToString([]byte(body))
}

// isAfterLogin names the commands that Exchange knows and refuses before a login.
func isAfterLogin(name string) bool {
	return strings.HasPrefix(name, "UID ") || slices.Contains([]string{
		"SELECT", "EXAMINE", "CREATE", "DELETE", "RENAME", "SUBSCRIBE", "UNSUBSCRIBE", "LIST", "LSUB", "STATUS",
		"APPEND", "CHECK", "CLOSE", "UNSELECT", "EXPUNGE", "SEARCH", "FETCH", "STORE", "COPY", "MOVE", "NAMESPACE",
		"IDLE",
	}, name)
}
