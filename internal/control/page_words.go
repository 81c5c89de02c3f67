package control

import (
	"fmt"
	"html/template"
	"net/url"
	"strings"
	"time"

	"postern/auth"
	"postern/proxy"
)

// pageWords is how the templates say things.
var pageWords = template.FuncMap{
	"when": when, "bytes": sized, "may": may, "upper": strings.ToUpper, "mood": mood, "cap": capital, "doing": doing, "path": url.PathEscape,
	"known":    func(t time.Time) bool { return !t.IsZero() },
	"contains": strings.Contains,
	"signInMends": func(a Account) bool {
		return auth.IsSignedOut(a.State) || a.State == auth.StateSignInNeeded || len(a.NotCovered) > 0
	},
	"past": func(t time.Time) bool { return !time.Now().Before(t) },
	"needing": func(accounts []accountView) int {
		n := 0
		for _, a := range accounts {
			if !a.Ready() || len(a.Throttled) > 0 {
				n++
			}
		}
		return n
	},
}

// when is a time as a person at this machine would write it, no longer than needed.
func when(t time.Time) string {
	local, now := t.Local(), time.Now()
	switch {
	case local.YearDay() == now.YearDay() && local.Year() == now.Year():
		return local.Format("15:04:05")
	case local.Year() == now.Year():
		return local.Format("2 Jan 15:04")
	}
	return local.Format("2 Jan 2006")
}

func sized(n int64) string {
	size, units := float64(n), "kMGT"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	unit := -1
	for size >= 999.5 && unit < len(units)-1 {
		size /= 1000
		unit++
	}
	return fmt.Sprintf("%.3g %cB", size, units[unit])
}

func may(p auth.PasswordInfo) string {
	switch {
	case p.ReadOnly:
		return "read only"
	case p.SendOnly:
		return "send only"
	}
	return "read and send"
}

// mood is which of three looks a state has; its words say the rest.
func mood(state string) string {
	switch {
	case state == auth.StateReady:
		return "good"
	case auth.IsSignedOut(state):
		return "new"
	}
	return "bad"
}

// capital begins a sentence, but leaves an address as it is.
func capital(s string) string {
	first, _, _ := strings.Cut(s, " ")
	if s == "" || strings.Contains(first, "@") {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func doing(s proxy.SessionInfo) string {
	if s.Doing == "" {
		return "connected"
	}
	return strings.Replace(s.Doing, "idle", "IDLE", 1)
}
