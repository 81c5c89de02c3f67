package main

import (
	"context"
	"errors"

	"github.com/cli/browser"

	"postern/internal/control"
)

// runOpen gets the link over the daemon's socket: who can open that is the user whose accounts the page shows.
func runOpen(ctx context.Context, a *app, args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	ask := control.NewClient(a.stateDir()).BrowserLink
	if a.o.noBrowser { // the browser may be another user's, as with sudo
		ask = control.NewClient(a.stateDir()).Link
	}
	link, err := ask(ctx)
	switch {
	case errors.Is(err, control.ErrNotRunning):
		return failed(err, "start it with postern serve; the page is the daemon's")
	case err != nil:
		return failed(err, "")
	case link == "":
		return configError(errors.New("the web page is off"), `set web = "127.0.0.1:1180" under [listen], then "postern reload"`)
	}
	if a.o.noBrowser {
		a.ui.print("%s\n", link)
		return nil
	}
	browser.Stderr = nil // xdg-open names each browser that it does not find; one for the terminal draws on Stdout
	if err := browser.OpenURL(link); err != nil {
		a.ui.say("no browser opens here; open this address, once and within two minutes:")
		a.ui.print("%s\n", link)
		return nil
	}
	a.ui.say("your browser opens the page; if it does not: postern open --no-browser")
	return nil
}
