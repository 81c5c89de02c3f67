package control

import (
	"bytes"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"postern/auth"
	"postern/proxy"
)

// metrics answers Prometheus, in its text format 0.0.4. Labels are bounded: protocols, outcomes and classes are
// fixed, and an account is named only if it is one of the daemon's. No session, client or password is.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	var m metricsText
	m.program(s.Version, s.Started)
	m.paused(s.Sessions.PausedSince())
	m.sessions(s.Sessions.Stats())
	m.refreshes(s.Accounts.Stats())
	states, err := s.Accounts.Status(r.Context())
	if err != nil {
		s.log().Warn("metrics lack the accounts", "err", err)
	}
	m.accounts(states, time.Now())
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Write(m.b.Bytes())
}

// metricsText is a page of metrics under way.
type metricsText struct {
	b    bytes.Buffer
	name string
}

// family begins a metric; kind is gauge, counter or histogram.
func (m *metricsText) family(name, kind, help string) {
	m.name = name
	m.b.WriteString("# HELP " + name + " " + help + "\n# TYPE " + name + " " + kind + "\n")
}

// value writes one sample of the family. labels are names and values in turn.
func (m *metricsText) value(v float64, labels ...string) { m.sample("", v, labels...) }

func (m *metricsText) sample(suffix string, v float64, labels ...string) {
	m.b.WriteString(m.name + suffix)
	for i := 0; i < len(labels); i += 2 {
		sep := ","
		if i == 0 {
			sep = "{"
		}
		m.b.WriteString(sep + labels[i] + `="` + labelValue.Replace(labels[i+1]) + `"`)
	}
	if len(labels) > 0 {
		m.b.WriteByte('}')
	}
	m.b.WriteString(" " + strconv.FormatFloat(v, 'g', -1, 64) + "\n")
}

var labelValue = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func (m *metricsText) program(version string, started time.Time) {
	m.family("postern_build_info", "gauge", "The program's version; always 1.")
	m.value(1, "version", version, "go_version", runtime.Version())
	m.family("process_start_time_seconds", "gauge", "When the daemon began, in Unix time.")
	m.value(float64(started.UnixMilli()) / 1000)
	m.family("go_goroutines", "gauge", "Goroutines, of which a session has two.")
	m.value(float64(runtime.NumGoroutine()))
}

func (m *metricsText) paused(since time.Time) {
	m.family("postern_paused", "gauge", "1 while a person has paused the daemon.")
	v := 1.0
	if since.IsZero() {
		v = 0
	}
	m.value(v)
}

func (m *metricsText) sessions(s proxy.Stats) {
	protocols := slices.Sorted(maps.Keys(s.Protocols))
	each := func(f func(name string, p proxy.ProtocolStats)) {
		for _, name := range protocols {
			f(name, s.Protocols[name])
		}
	}
	m.family("postern_sessions", "gauge", "Sessions that are logged in.")
	each(func(name string, p proxy.ProtocolStats) { m.value(float64(p.Sessions), "protocol", name) })
	m.family("postern_clients_before_login", "gauge", "Connected clients that have not logged in.")
	m.value(float64(s.Waiting))
	m.family("postern_logins_total", "counter", "Logins of clients by outcome: accepted, or why not.")
	each(func(name string, p proxy.ProtocolStats) {
		for _, outcome := range slices.Sorted(maps.Keys(p.Logins)) {
			m.value(float64(p.Logins[outcome]), "protocol", name, "outcome", outcome)
		}
	})
	m.family("postern_bytes_total", "counter", "Bytes carried after login, up to the provider and down to the client.")
	each(func(name string, p proxy.ProtocolStats) {
		m.value(float64(p.Up), "protocol", name, "direction", "up")
		m.value(float64(p.Down), "protocol", name, "direction", "down")
	})
	m.family("postern_upstream_login_seconds", "histogram", "How long successful logins at the provider took, token and connection included.")
	each(func(name string, p proxy.ProtocolStats) { m.histogram(p.Latency, "protocol", name) })
	m.family("postern_throttled_mailboxes", "gauge", "Mailboxes whose server has asked for a pause that is not over.")
	m.value(float64(len(s.Throttled)))
	m.family("postern_connections_refused_total", "counter", "Connections that were ended because of a limit.")
	for _, limit := range slices.Sorted(maps.Keys(s.Refused)) {
		m.value(float64(s.Refused[limit]), "limit", limit)
	}
}

func (m *metricsText) histogram(h proxy.Histogram, labels ...string) {
	for i, bound := range h.Bounds {
		le := strconv.FormatFloat(bound.Seconds(), 'g', -1, 64)
		m.sample("_bucket", float64(h.Counts[i]), append(slices.Clone(labels), "le", le)...)
	}
	m.sample("_bucket", float64(h.Count), append(slices.Clone(labels), "le", "+Inf")...)
	m.sample("_sum", h.Sum.Seconds(), labels...)
	m.sample("_count", float64(h.Count), labels...)
}

func (m *metricsText) refreshes(s auth.Stats) {
	m.family("postern_token_refreshes_total", "counter", "Refreshes of access tokens by outcome; of those that failed, by what helps.")
	m.value(float64(s.Refreshed), "outcome", "refreshed", "class", "")
	for _, class := range slices.Sorted(maps.Keys(s.Failed)) {
		m.value(float64(s.Failed[class]), "outcome", "failed", "class", class)
	}
}

// accountStates are all that an account can be in, so that a rule can wait for one that has not come yet.
var accountStates = [...]string{auth.StateReady, auth.StateSignInNeeded, auth.StateNeverSignedIn, auth.StateSignedOut, auth.StateTrouble}

func (m *metricsText) accounts(states []auth.AccountStatus, now time.Time) {
	m.family("postern_account_state", "gauge", "1 for the state that the account is in.")
	for _, a := range states {
		for _, state := range accountStates {
			v := 0.0
			if a.State == state {
				v = 1
			}
			m.value(v, "account", a.Account, "state", state)
		}
	}
	m.family("postern_token_expiry_seconds", "gauge", "How long the account's access token lives yet; negative when it has expired.")
	for _, a := range states {
		if !a.TokenExpiry.IsZero() {
			// By the wall clock, which goes on while a laptop sleeps.
			m.value(a.TokenExpiry.Round(0).Sub(now.Round(0)).Round(time.Second).Seconds(), "account", a.Account)
		}
	}
}
