package proxy

import (
	"errors"
	"io"
	"time"

	"postern/auth"
)

// Protocol is one mail protocol: its words before login on both sides, and what watches its relay.
// The values are IMAP(), SMTP() and POP3(); a Protocol has no state and serves any number of sessions.
type Protocol interface {
	name() string
	// address is where a provider serves the protocol; "" where it does not.
	address(p auth.Provider) string
	// offers is what the provider's server is taken to offer before login as long as nothing better is known; "" for nothing.
	offers(p auth.Provider) string
	// implicitTLS says whether TLS begins with the first byte at that address (RFC 8314); else begin starts it.
	implicitTLS(address string) bool
	// allows says whether a local password is good for the protocol; errNotAllowed.
	allows(login auth.Login) error
	// client makes the front for one client.
	client(w *wire, o frontOptions) front
	// begin talks to a new upstream as far as it goes without a token.
	begin(w *wire, o upstreamOptions) (begun, error)
	// watch makes the tap for the relay of one login. It calls refused with what the server says to refuse a command.
	watch(login auth.Login, refused func(text string)) tap
	// places is how many sessions a mailbox may have at once.
	places(l Limits) int
}

// BeginsWithTLS says whether a provider's server at address (host:port) speaks TLS from the first byte (RFC 8314); else
// the protocol's STARTTLS begins it.
func BeginsWithTLS(p Protocol, address string) bool { return p.implicitTLS(address) }

// begun is an upstream that waits for a token. It is used by one goroutine.
type begun interface {
	// login proves the token, and that the mailbox answers. The errors are *auth.Problem, *tokenRefused, or of
	// the connection.
	login(c credentials) (welcome, error)
}

// upstreamOptions is what a protocol has to know to begin.
type upstreamOptions struct {
	server   string       // host:port that was dialled
	startTLS func() error // upgrades the wire, for protocols without implicit TLS
	offers   string       // what the server was known to offer before login; "" when it is not known
}

// front is what a client talks to until it has logged in. It is used by one goroutine.
type front interface {
	greet() error
	// login answers commands until the client offers a user name and a password. Its error ends the
	// session; errLeft when the client said goodbye.
	login() (offer, error)
	// refuse answers the last offer with no; the client may try again.
	refuse(r refusal) error
	// accept answers the last offer with the upstream's own words.
	accept(w welcome) error
	// bye says why the session ends before login. Its error does not matter.
	bye(why string)
}

var (
	// errLeft means that the client said goodbye.
	errLeft = errors.New("client logged out")
	// errTooManyBad means that a client sent more nonsense than a client does.
	errTooManyBad = errors.New("too many bad commands")
	// errOutOfStep means that what follows can not be told apart from a command's data.
	errOutOfStep = errors.New("can not tell commands from data any more")
)

// errNotAllowed means that a right local password is restricted to something else.
type errNotAllowed string

func (e errNotAllowed) Error() string { return string(e) }

const errSendOnly errNotAllowed = "this local password is only for sending"

// reads is the rule of the protocols that show mail.
func reads(login auth.Login) error {
	if login.SendOnly {
		return errSendOnly
	}
	return nil
}

// endsQuietly says whether an error of login is a client's ordinary end.
func endsQuietly(err error) bool {
	return errors.Is(err, errLeft) || errors.Is(err, io.EOF)
}

// frontOptions is what a front has to know of its listener.
type frontOptions struct {
	// startTLS upgrades the client's connection; nil when it is not offered.
	startTLS func() error
	// needTLS refuses passwords before TLS.
	needTLS bool
	// known is what the upstream offered last time, for protocols whose clients ask before they log in.
	known       []string
	badCommands int
	note        func(event string, attrs ...any)
}

// offer is what the client logs in with.
type offer struct {
	user     string
	password auth.Secret
}

func newOffer(user, password string) offer {
	return offer{user: user, password: auth.NewSecret(password)}
}

// credentials is what goes upstream.
type credentials struct {
	mailbox string
	token   auth.Secret
	// known is what the mailbox could do after its last login; with it, nothing is asked after a login that
	// says nothing about it. "" when it is not known, or was learned too long ago.
	known string
	// inOrder says that the server wants each answer read before the next command.
	inOrder bool
	// until is when the login has to be over; zero for no limit.
	until time.Time
}

// welcome is what the upstream said when it took the token.
type welcome struct {
	lines  []byte // untagged lines for the client, verbatim
	text   string // the human-readable part of its answer
	before string // what the server offers before login
	after  string // what it can do for the mailbox, as it wrote it
	// inOrder says that the server lost what came behind the token.
	inOrder bool
}

// tap watches a relay. It may hold bytes back or answer in the upstream's place on the way up; on the
// way down it only looks. up runs in one goroutine and down in another.
type tap interface {
	// up passes on what of b may go upstream by calling forward, in order, and what the client is told in the
	// upstream's place by calling answer. It waits while the upstream owes the answer on which the meaning
	// of b depends.
	up(b []byte, forward, answer func([]byte) error) error
	// down sees bytes before the client gets them. It returns how many of them end at a place where a line of
	// ours could be put, -1 for none.
	down(b []byte) int
	// owes says whether the upstream may have stored a message and not said so. A client that is told goodbye before
	// sends it again.
	owes() bool
	// goodbye returns the line that ends a session, or nil when the upstream has already said it.
	goodbye(why string) []byte
	// doing says what the client is doing, for people; any goroutine may ask.
	doing() string
	// close wakes an up that waits, for good.
	close()
}
