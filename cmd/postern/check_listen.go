package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"postern/internal/control"
)

func (c *checkup) listeners(ctx context.Context) {
	for _, l := range wantedListeners(c.cfg.Listen) {
		t := c.on("listen." + l.key)
		if c.running != nil {
			t.served(c.running.Listeners, l.key, l.wanted)
		} else {
			t.free(ctx, l.wanted)
		}
	}
}

// served looks whether the daemon listens where the configuration says.
func (t topic) served(open []control.Listener, key, wanted string) bool {
	i := slices.IndexFunc(open, func(l control.Listener) bool { return l.Name == key })
	switch {
	case i < 0:
		return t.warn("postern reload", "the daemon does not listen on %s: the configuration was changed after it started", wanted)
	case !sameAddress(wanted, open[i].Address):
		return t.warn("postern reload", "the daemon listens on %s, but the configuration says %s", open[i].Address, wanted)
	}
	return t.ok("the daemon listens on %s", open[i].Address)
}

// sameAddress compares an address of the configuration with one that is listened on. Names, and port 0, are
// something else then, and count as the same.
func sameAddress(wanted, open string) bool {
	host, port, _ := net.SplitHostPort(wanted)
	openHost, openPort, _ := net.SplitHostPort(open)
	if port != "0" && port != openPort {
		return false
	}
	ip, openIP := net.ParseIP(host), net.ParseIP(openHost)
	return ip == nil || ip.Equal(openIP) || ip.IsUnspecified() && openIP.IsUnspecified()
}

// free looks whether the daemon could listen there.
func (t topic) free(ctx context.Context, address string) bool {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err == nil {
		ln.Close()
		return t.ok("%s is free", address)
	}
	_, port, _ := net.SplitHostPort(address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE) || strings.Contains(err.Error(), "Only one usage of each socket address"):
		return t.fail(exitFailed, whoHas(port)+"  shows which; stop it, or choose another address",
			"another program has taken %s", address)
	case errors.Is(err, syscall.EACCES):
		return t.fail(exitFailed, "choose a port from 1024 up", "this user may not listen on %s", address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return t.fail(exitConfig, "listen on 127.0.0.1, or on an address that this machine has", "this machine does not have the address of %s", address)
	}
	return t.fail(exitFailed, "choose another address", "%v", err)
}

// whoHas is the command that shows which program has a port.
func whoHas(port string) string {
	switch runtime.GOOS {
	case "linux":
		return "ss -ltnp 'sport = :" + port + "'"
	case "windows":
		return "netstat -ano | findstr :" + port
	}
	return "lsof -nP -iTCP:" + port + " -sTCP:LISTEN"
}

// localCertificate looks at what mail clients are shown. That the files belong together is for the
// configuration to find.
func (c *checkup) localCertificate() {
	if !c.cfg.Listen.TLS() {
		return
	}
	c.on("listen.tls_key").secretFile(c.cfg.Listen.TLSKey)
	t := c.on("listen.tls_cert")
	pair, err := tls.LoadX509KeyPair(c.cfg.Listen.TLSCert, c.cfg.Listen.TLSKey)
	if err != nil {
		t.fail(exitConfig, "both are PEM files that belong together", "%v", err)
		return
	}
	if t.validity("the certificate", "get a new certificate for "+c.cfg.Listen.TLSCert, pair.Leaf, time.Now()) == levelOK {
		t.ok("good for %s until %s", strings.Join(namesOf(pair.Leaf), ", "), pair.Leaf.NotAfter.Format(time.DateOnly))
	}
}
