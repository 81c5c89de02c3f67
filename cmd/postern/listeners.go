package main

import (
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"

	"postern/internal/config"
	"postern/internal/control"
	"postern/proxy"
)

// listener is one address that the daemon listens on.
type listener struct {
	net.Listener
	key      string         // in the configuration: imap, imaps, smtp, pop3, web
	wanted   string         // as the configuration writes the address
	protocol proxy.Protocol // nil for the web page
	given    bool           // by systemd, which holds the address whatever we do
	retired  atomic.Bool    // a changed configuration has no use for it
}

// on is the same listener with a socket.
func (l *listener) on(socket net.Listener) *listener {
	if l.key == "imaps" {
		socket = proxy.ListenTLS(socket)
	}
	return &listener{Listener: socket, key: l.key, wanted: l.wanted, protocol: l.protocol}
}

// same says whether both are for the same place in the configuration, which says the same.
func (l *listener) same(other *listener) bool { return l.key == other.key && l.wanted == other.wanted }

// wantedListeners is what a configuration asks for.
func wantedListeners(l config.Listen) []*listener {
	var all []*listener
	for _, w := range []*listener{
		{key: "imap", wanted: l.IMAP, protocol: proxy.IMAP()},
		{key: "imaps", wanted: l.IMAPS, protocol: proxy.IMAP()},
		{key: "smtp", wanted: l.SMTP, protocol: proxy.SMTP()},
		{key: "pop3", wanted: l.POP3, protocol: proxy.POP3()},
		{key: "web", wanted: l.Web},
	} {
		if w.wanted != "" {
			all = append(all, w)
		}
	}
	return all
}

// protocolsOf names the mail protocols that a configuration serves.
func protocolsOf(l config.Listen) []string {
	var names []string
	for name, on := range map[string]bool{"imap": l.IMAP != "" || l.IMAPS != "", "smtp": l.SMTP != "", "pop3": l.POP3 != ""} {
		if on {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// listen opens every address of the configuration before anything is served: half a daemon is worse than none.
func (d *daemon) listen(cfg *config.Config) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	next, err := openListeners(wantedListeners(cfg.Listen), nil)
	d.open = next
	d.configured.Store(&cfg.Listen)
	return err
}

// openListeners returns the wanted listeners, those that are open already as they are. With an error
// nothing new stays open.
func openListeners(wanted, open []*listener) ([]*listener, error) {
	given := fromSystemd()
	var next, fresh []*listener
	for _, w := range wanted {
		same := slices.DeleteFunc(slices.Clone(open), func(o *listener) bool { return !o.same(w) })
		if len(same) > 0 {
			next = append(next, same...)
			continue
		}
		sockets, err := given[w.key], error(nil)
		if len(sockets) == 0 {
			sockets, err = listenOn(w.wanted)
		}
		if err != nil {
			for _, f := range fresh {
				f.Close()
			}
			return nil, listenError("listen."+w.key, w.wanted, err)
		}
		for _, socket := range sockets {
			l := w.on(socket)
			l.given = len(given[w.key]) > 0
			next, fresh = append(next, l), append(fresh, l)
		}
	}
	return next, nil
}

// listenOn opens an address. The name localhost is two of them: some clients try 127.0.0.1 first, some ::1,
// and some only one.
func listenOn(address string) ([]net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil || host != "localhost" {
		ln, err := net.Listen("tcp", address)
		return []net.Listener{ln}, err
	}
	_, port, _ := net.SplitHostPort(address)
	v4, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return nil, err
	}
	_, port, _ = net.SplitHostPort(v4.Addr().String()) // which may have been 0
	v6, err := net.Listen("tcp6", net.JoinHostPort("::1", port))
	switch {
	case err == nil:
		return []net.Listener{v4, v6}, nil
	case errors.Is(err, syscall.EADDRINUSE):
		v4.Close()
		return nil, err
	}
	return []net.Listener{v4}, nil // a machine without IPv6
}

// fromSystemd takes the sockets that systemd has opened for us (systemd.socket(5)), by FileDescriptorName, which
// must be the configuration's key. They are handed over once.
func fromSystemd() map[string][]net.Listener {
	named, err := activation.ListenersWithNames()
	if err != nil {
		return nil
	}
	return named
}

func (d *daemon) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.open {
		l.Close()
	}
	if d.socket != nil {
		d.socket.Close()
	}
}

func (d *daemon) listeners() []control.Listener {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []control.Listener
	for _, l := range d.open {
		all = append(all, control.Listener{Name: l.key, Address: l.Addr().String(), TLS: l.key == "imaps" || d.configured.Load().TLS()})
	}
	return all
}

// address is where a listener really listens; "" when it is off.
func (d *daemon) address(key string) string {
	for _, l := range d.listeners() {
		if l.Name == key {
			return l.Address
		}
	}
	return ""
}

// signInURL is the page that a mail client's message names; "" when there is no page.
func (d *daemon) signInURL(account string) string {
	web := d.address("web")
	if web == "" {
		return ""
	}
	return "http://" + web + control.SignInPath(account)
}
