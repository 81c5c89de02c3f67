package main

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"time"

	"postern/internal/control"
)

// trayEvery is how often the daemon is asked. It is a small request on a local socket.
const trayEvery = 3 * time.Second

// retryNotice is how long a notification that could not be shown waits.
const retryNotice = 30 * time.Second

// desktop is what the system offers to show things with.
type desktop interface {
	// run shows the icon and takes clicks until ctx ends or the person quits. It has the main thread.
	run(ctx context.Context) error
	show(v trayView)
	// notify shows a notification, or says why none can be shown. withdraw takes it back.
	notify(n trayNotice) error
	withdraw(account string)
}

// tray is the watcher. All that it knows comes from the daemon's socket.
type tray struct {
	*app
	ctx     context.Context
	daemon  *control.Client
	desktop desktop
	shown   trayView
	notices notices
	silent  bool          // no daemon answers, and that was said
	again   chan struct{} // asks for a look before its time
	unshown []trayNotice  // what the desktop could not show
	retryAt time.Time     // when that is tried again
}

func runTray(ctx context.Context, a *app, args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	t := &tray{app: a, ctx: ctx, daemon: control.NewClient(a.stateDir()), again: make(chan struct{}, 1)}
	d, err := openDesktop(t, quit)
	if err != nil {
		return err
	}
	t.desktop = d
	go t.watch(ctx)
	return d.run(ctx)
}

func (t *tray) watch(ctx context.Context) {
	tick := time.NewTicker(trayEvery)
	defer tick.Stop()
	for {
		t.look(ctx)
		select {
		case <-tick.C:
		case <-t.again:
		case <-ctx.Done():
			return
		}
	}
}

// look asks once and shows what is new.
func (t *tray) look(ctx context.Context) {
	st, err := t.daemon.Status(ctx)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		if !t.silent {
			t.ui.say("%v; waiting for it: postern serve", err)
		}
		t.silent = true
		t.display(viewWithout(err))
		return
	}
	t.silent = false
	t.display(viewOf(st))
	t.tell(time.Now(), st)
}

// tell shows what a person must know and takes back what is over. What can not be shown is said, and tried again:
// a desktop that is just starting may have nothing yet that shows notifications.
func (t *tray) tell(now time.Time, st control.Status) {
	fresh, over := t.notices.update(st)
	for _, account := range over {
		t.desktop.withdraw(account)
	}
	t.unshown = slices.DeleteFunc(t.unshown, func(n trayNotice) bool { return slices.Contains(over, n.account) })
	if !now.Before(t.retryAt) {
		t.unshown = slices.DeleteFunc(t.unshown, func(n trayNotice) bool { return t.desktop.notify(n) == nil })
		t.retryAt = now.Add(retryNotice)
	}
	for _, n := range fresh {
		if err := t.desktop.notify(n); err != nil {
			t.ui.say("%s: %s (no notification: %v)", n.title, n.body(""), err)
			t.unshown = append(t.unshown, n)
			t.retryAt = now.Add(retryNotice)
		}
	}
}

func (t *tray) display(v trayView) {
	if v.title == "" || v.equal(t.shown) {
		return
	}
	t.shown = v
	t.desktop.show(v)
}

// pause keeps mail programs out, or lets them in again.
func (t *tray) pause(on bool) {
	var err error
	if on {
		_, err = t.daemon.Pause(t.ctx)
	} else {
		err = t.daemon.Resume(t.ctx)
	}
	if err != nil {
		t.ui.say("pause: %v", err)
	}
	select {
	case t.again <- struct{}{}:
	default: // one is asked for already
	}
}

// signIn leads to the page's sign-in, or signs in by itself where there is no page.
func (t *tray) signIn(account string) {
	st, err := t.daemon.Status(t.ctx)
	if page := pageAt(st.Listeners); err == nil && page != "" {
		t.open(page+control.SignInPath(account), "postern login "+account)
		return
	}
	go func() {
		if out, err := t.command("login", account).CombinedOutput(); err != nil {
			t.ui.say("sign in %s: %v\n%s", account, err, out)
		}
	}()
}

// open shows an address in the browser. Where none opens, whoever clicked is told what to type: the address may be a
// key to the page, and what the tray says ends in a log.
func (t *tray) open(url, instead string) {
	if openBrowser(url) {
		return
	}
	n := trayNotice{title: "Postern: no browser opens here", text: "The page is to be opened by hand.", cure: instead}
	if err := t.desktop.notify(n); err != nil {
		t.ui.say("%s: %s (no notification: %v)", n.title, n.body(""), err)
	}
}

// command is this program again, with the same configuration and state.
func (t *tray) command(args ...string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		exe = os.Args[0]
	}
	return exec.CommandContext(t.ctx, exe, append(t.globalArgs(), args...)...)
}

func (t *tray) globalArgs() []string {
	var args []string
	for _, f := range []struct{ name, value string }{{"--config", t.o.global.config}, {"--state", t.o.global.state}} {
		if f.value != "" {
			args = append(args, f.name, absolute(f.value))
		}
	}
	return args
}

// startsAtLogin turns the start at login on or off, and returns how it is now.
func (t *tray) startsAtLogin(on bool) bool {
	exe, err := os.Executable()
	if err == nil {
		err = setAutostart(on, append([]string{exe}, append(t.globalArgs(), "tray")...))
	}
	if err != nil {
		t.ui.say("start at login: %v", err)
	}
	return autostarts()
}

// openPage leads to the web page with all accounts.
func (t *tray) openPage() {
	if page, err := t.daemon.BrowserLink(t.ctx); err == nil && page != "" {
		t.open(page, "postern open --no-browser")
	}
}
