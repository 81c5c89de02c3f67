package emulator

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// mailbox is one address's mail, in go-imap's memory server. It keeps the names of the folders beside it, because
// that server tells them to nobody and a LIST has to say which ones have children.
type mailbox struct {
	user *imapmemserver.User

	mu      sync.Mutex      // guards what follows
	folders map[string]bool // name → subscribed
	change  chan struct{}   // closed by the next change of a message
}

// standardFolders are what a new Outlook.com mailbox shows over IMAP. None has a special-use attribute there.
var standardFolders = []string{"INBOX", "Sent", "Drafts", "Archive", "Deleted Items", "Junk Email"}

func newMailbox(address string, mail []Message) (*mailbox, error) {
	b := &mailbox{user: imapmemserver.NewUser(address, ""), folders: make(map[string]bool), change: make(chan struct{})}
	for _, name := range standardFolders {
		if err := b.create(name); err != nil {
			return nil, err
		}
	}
	for _, m := range mail {
		if err := b.add(m); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// add puts a message into its folder.
func (b *mailbox) add(m Message) error {
	folder := cmp.Or(m.Folder, "INBOX")
	if strings.EqualFold(folder, "INBOX") {
		folder = "INBOX"
	}
	var exists *imap.Error
	if err := b.create(folder); err != nil && !(errors.As(err, &exists) && exists.Code == imap.ResponseCodeAlreadyExists) {
		return fmt.Errorf("emulator: folder %q: %w", folder, err)
	}
	opt := &imap.AppendOptions{Time: m.Date}
	for _, flag := range m.Flags {
		opt.Flags = append(opt.Flags, imap.Flag(flag))
	}
	if _, err := b.user.Append(folder, literal{bytes.NewReader(m.Raw)}, opt); err != nil {
		return fmt.Errorf("emulator: folder %q: %w", folder, err)
	}
	b.changed()
	return nil
}

// watch returns a channel that the next change closes.
func (b *mailbox) watch() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.change
}

func (b *mailbox) changed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.change)
	b.change = make(chan struct{})
}

func (b *mailbox) create(name string) error {
	if err := b.user.Create(name, nil); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.folders[strings.TrimRight(name, "/")] = true
	return nil
}

// literal is the imap.LiteralReader of bytes in hand.
type literal struct{ *bytes.Reader }

func (l literal) Size() int64 { return l.Reader.Size() }

var _ imap.LiteralReader = literal{}
