package main

import (
	"net"
	"slices"
	"sync/atomic"

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
	retired  atomic.Bool    // a changed configuration has no use for it
}

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

// listen opens every address of the configuration before anything is served: half a daemon is worse than none.
func (d *daemon) listen(cfg *config.Config) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	next, err := openListeners(wantedListeners(cfg.Listen), nil)
	d.open = next
	return err
}

// openListeners returns the wanted listeners, those that are open already as they are. With an error
// nothing new stays open.
func openListeners(wanted, open []*listener) ([]*listener, error) {
	given := fromSystemd()
	var next, fresh []*listener
	for _, w := range wanted {
		if i := slices.IndexFunc(open, func(o *listener) bool { return o.key == w.key && o.wanted == w.wanted }); i >= 0 {
			next = append(next, open[i])
			continue
		}
		ln := given[w.key]
		if ln == nil {
			var err error
			if ln, err = net.Listen("tcp", w.wanted); err != nil {
				for _, f := range fresh {
					f.Close()
				}
				return nil, listenError("listen."+w.key, w.wanted, err)
			}
		}
		if w.key == "imaps" {
			ln = proxy.ListenTLS(ln)
		}
		w.Listener = ln
		next, fresh = append(next, w), append(fresh, w)
	}
	return next, nil
}

// fromSystemd takes the sockets that systemd has opened for us (systemd.socket(5)), by FileDescriptorName, which
// must be the configuration's key. They are handed over once.
func fromSystemd() map[string]net.Listener {
	named, err := activation.ListenersWithNames()
	if err != nil {
		return nil
	}
	given := map[string]net.Listener{}
	for name, listeners := range named {
		if len(listeners) > 0 {
			given[name] = listeners[0]
		}
	}
	return given
}

// replaceListeners goes over to another set: new ones are served, and those that are not wanted any more
// take no new clients. Sessions go on.
func (d *daemon) replaceListeners(next []*listener) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.open {
		if !slices.Contains(next, l) {
			l.retired.Store(true)
			l.Close()
		}
	}
	for _, l := range next {
		if !slices.Contains(d.open, l) {
			d.start(l)
		}
	}
	d.open = next
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
		all = append(all, control.Listener{Name: l.key, Address: l.Addr().String()})
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
