package proxy

import (
	"context"
	"io"
	"net"
	"time"
)

// moment is how long a client has to hang up as well where nobody wants to wait for it.
const moment = time.Second

// hangUp closes a client's connection so that the client gets what it was told last. Where a client's bytes are
// unread at the close, or come behind it, the kernel sends a reset (RFC 1122 section 4.2.2.13). That throws away what
// is still on its way to the client, and on some systems what has arrived there as well. So hangUp says first that
// nothing more comes, and takes what the client sends until it hangs up too, for up to patience. It does not wait for
// clients when ctx has ended.
func hangUp(ctx context.Context, conn net.Conn, patience time.Duration) {
	defer conn.Close()
	if !closeWrite(conn) {
		return
	}
	conn.SetReadDeadline(time.Now().Add(patience))
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Now().Add(min(moment, patience))) })
	defer stop()
	io.Copy(io.Discard, conn)
}

// closeWrite tells the other side that nothing more comes. It is false where the connection can not say so.
func closeWrite(conn net.Conn) bool {
	c, ok := conn.(interface{ CloseWrite() error })
	return ok && c.CloseWrite() == nil
}
