package emulator

import (
	"crypto/tls"
	"net"
)

// lineServer is what the servers whose commands are lines have in common: SMTP and POP3.
type lineServer struct {
	mailServer[*lineSession]
	bye   string // what a farewell begins with
	mail  *IMAP  // the mailboxes, and who may open them
	serve func(*lineSession)
}

func newLineServer(proto, bye string, opt Options, mail *IMAP, conf *tls.Config) (*lineServer, error) {
	l := &lineServer{bye: bye, mail: mail}
	return l, l.listen(proto, opt, conf)
}

// start accepts connections, each for serve.
func (l *lineServer) start(serve func(*lineSession)) {
	l.serve = serve
	l.running.Go(func() {
		l.accept(func(id int, conn net.Conn, rec *record) *lineSession { return newLineSession(l, id, conn, rec) })
	})
}
