package emulator

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// maildrop is an INBOX as one POP3 session sees it: the messages of its beginning. The memory server gives messages
// to IMAP clients only, hence the client behind it.
type maildrop struct {
	client   *imapclient.Client
	messages []*dropped
}

type dropped struct {
	uid     imap.UID
	size    int64
	unique  string // for UIDL
	deleted bool
}

// innerConn is the server's end of a connection that never leaves the process. Its limits do nothing, as mailConn's.
type innerConn struct {
	net.Conn
	box  *mailbox
	done func()
}

func (c *innerConn) openBox() *mailbox                { return c.box }
func (c *innerConn) SetReadDeadline(time.Time) error  { return nil }
func (c *innerConn) SetWriteDeadline(time.Time) error { return nil }

func (c *innerConn) Close() error {
	c.done()
	return c.Conn.Close()
}

// openMaildrop opens the INBOX of a mailbox. The caller closes the result before the server closes.
func (m *IMAP) openMaildrop(box *mailbox) (*maildrop, error) {
	ours, theirs := net.Pipe()
	m.running.Add(1)
	inner := &innerConn{Conn: theirs, box: box, done: sync.OnceFunc(m.running.Done)}
	if !m.handOff.give(inner) {
		inner.Close()
		ours.Close()
		return nil, net.ErrClosed
	}
	d := &maildrop{client: imapclient.New(ours, nil)}
	if err := d.load(); err != nil {
		d.close()
		return nil, fmt.Errorf("emulator: maildrop: %w", err)
	}
	return d, nil
}

func (d *maildrop) load() error {
	if err := d.client.WaitGreeting(); err != nil {
		return err
	}
	inbox, err := d.client.Select("INBOX", nil).Wait()
	if err != nil || inbox.NumMessages == 0 {
		return err
	}
	var all imap.SeqSet
	all.AddRange(1, inbox.NumMessages)
	list, err := d.client.Fetch(all, &imap.FetchOptions{UID: true, RFC822Size: true}).Collect()
	for _, m := range list {
		d.messages = append(d.messages, &dropped{uid: m.UID, size: m.RFC822Size, unique: fmt.Sprintf("%08x%08x", inbox.UIDValidity, uint32(m.UID))})
	}
	return err
}

// total is what STAT tells of what is not deleted.
func (d *maildrop) total() (count int, size int64) {
	for _, m := range d.messages {
		if !m.deleted {
			count++
			size += m.size
		}
	}
	return count, size
}

var errGone = errors.New("the message is gone")

// fetch reads a message without making it seen.
func (d *maildrop) fetch(m *dropped) ([]byte, error) {
	whole := &imap.FetchItemBodySection{Peek: true}
	list, err := d.client.Fetch(imap.UIDSetNum(m.uid), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{whole}}).Collect()
	if err != nil {
		return nil, err
	}
	for _, got := range list { // what other sessions did to flags comes as well
		if raw := got.FindBodySection(whole); raw != nil && got.UID == m.uid {
			return raw, nil
		}
	}
	return nil, errGone
}

// expunge removes what DELE has marked.
func (d *maildrop) expunge() error {
	var uids imap.UIDSet
	for _, m := range d.messages {
		if m.deleted {
			uids.AddNum(m.uid)
		}
	}
	if len(uids) == 0 {
		return nil
	}
	deleted := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}
	if err := d.client.Store(uids, deleted, nil).Close(); err != nil {
		return err
	}
	return d.client.UIDExpunge(uids).Close()
}

func (d *maildrop) close() { d.client.Close() }
