package control

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"postern/proxy"
)

// sample is one line of Prometheus's text format.
type sample struct {
	name   string
	labels map[string]string
	value  float64
}

var (
	sampleLine = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$`)
	labelPair  = regexp.MustCompile(`^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)`)
	metricName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

// lint reads a page of metrics and says what Prometheus would refuse, or its guide to names frowns upon.
func lint(page string) (samples []sample, problems []string) {
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	kinds, helps, seen := map[string]string{}, map[string]bool{}, map[string]bool{}
	current := ""
	if !strings.HasSuffix(page, "\n") {
		complain("the last line has no end")
	}
	for lines := bufio.NewScanner(strings.NewReader(page)); lines.Scan(); {
		line := lines.Text()
		if rest, ok := strings.CutPrefix(line, "# HELP "); ok {
			name, help, _ := strings.Cut(rest, " ")
			if helps[name] || help == "" {
				complain("%s: help twice or empty", name)
			}
			helps[name] = true
			continue
		}
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(rest, " ")
			if kinds[name] != "" || !helps[name] || !metricName.MatchString(name) {
				complain("%s: type twice, no help before it, or a bad name", name)
			}
			if (kind == "counter") != strings.HasSuffix(name, "_total") {
				complain("%s: a counter, and only a counter, ends in _total", name)
			}
			if !slices.Contains([]string{"counter", "gauge", "histogram"}, kind) {
				complain("%s: type %q", name, kind)
			}
			kinds[name], current = kind, name
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil {
			complain("%q is no sample", line)
			continue
		}
		s := sample{name: m[1], labels: map[string]string{}}
		var err error
		if s.value, err = strconv.ParseFloat(m[3], 64); err != nil {
			complain("%q: %v", line, err)
		}
		for rest := m[2]; rest != ""; {
			pair := labelPair.FindStringSubmatch(rest)
			if pair == nil {
				complain("%q: labels", line)
				break
			}
			if _, twice := s.labels[pair[1]]; twice {
				complain("%q: a label twice", line)
			}
			s.labels[pair[1]] = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n").Replace(pair[2])
			rest = rest[len(pair[0]):]
		}
		family := s.name
		if kinds[current] == "histogram" {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				family = strings.TrimSuffix(family, suffix)
			}
		}
		if family != current {
			complain("%q stands under %s", line, current)
		}
		if id := m[1] + "{" + m[2] + "}"; seen[id] {
			complain("%q comes twice", id)
		} else {
			seen[id] = true
		}
		samples = append(samples, s)
	}
	for name := range helps {
		if kinds[name] == "" {
			complain("%s: no type", name)
		}
	}
	return samples, append(problems, lintHistograms(samples, kinds)...)
}

// lintHistograms checks that buckets grow and that the last holds everything.
func lintHistograms(samples []sample, kinds map[string]string) (problems []string) {
	last, count := map[string]float64{}, map[string]float64{}
	bound := map[string]float64{}
	for _, s := range samples {
		name, isBucket := strings.CutSuffix(s.name, "_bucket")
		if isBucket && kinds[name] == "histogram" {
			id := name + s.labels["protocol"]
			le, err := strconv.ParseFloat(s.labels["le"], 64)
			if before, ok := bound[id]; err != nil || s.value < last[id] || ok && le <= before {
				problems = append(problems, fmt.Sprintf("%s: bucket %s", id, s.labels["le"]))
			}
			last[id], bound[id] = s.value, le
		}
		if name, ok := strings.CutSuffix(s.name, "_count"); ok && kinds[name] == "histogram" {
			count[name+s.labels["protocol"]] = s.value
		}
	}
	for id, n := range last {
		if count[id] != n || bound[id] < 1e300 {
			problems = append(problems, id+": the last bucket is not +Inf, or not the count")
		}
	}
	return problems
}

func TestMetrics(t *testing.T) {
	w := newWorld(t)
	w.sessions.stats = proxy.Stats{
		Waiting: 3, Throttled: make([]proxy.Throttle, 1), Refused: map[string]int64{"sessions": 2, "pre_login": 5},
		Protocols: map[string]proxy.ProtocolStats{
			"imap": {
				Sessions: 4, Up: 1 << 40, Down: 1<<53 + 1, Logins: map[string]int64{"accepted": 7, "wrong password": 1},
				Latency: proxy.Histogram{Bounds: []time.Duration{50 * time.Millisecond, 2 * time.Second}, Counts: []int64{1, 6}, Count: 7, Sum: 9 * time.Second},
			},
			"smtp": (&proxy.Server{}).Stats().Protocols["smtp"],
		},
	}
	rec := httptest.NewRecorder()
	w.page.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, here+"/metrics", nil))
	if rec.Code != http.StatusOK || rec.Header().Get("Content-Type") != "text/plain; version=0.0.4; charset=utf-8" {
		t.Fatalf("%d %v", rec.Code, rec.Header())
	}
	page := rec.Body.String()
	samples, problems := lint(page)
	for _, p := range problems {
		t.Error(p)
	}
	docs, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(page) {
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			if name, _, _ := strings.Cut(rest, " "); !strings.Contains(string(docs), "`"+name+"`") {
				t.Errorf("docs/metrics.md does not name %s", name)
			}
		}
	}
	value := func(name string, labels ...string) float64 {
		t.Helper()
		i := slices.IndexFunc(samples, func(s sample) bool {
			for i := 0; i < len(labels); i += 2 {
				if s.labels[labels[i]] != labels[i+1] {
					return false
				}
			}
			return s.name == name
		})
		if i < 0 {
			t.Fatalf("no %s%v in\n%s", name, labels, page)
		}
		return samples[i].value
	}
	for _, tt := range []struct {
		want   float64
		name   string
		labels []string
	}{
		{1, "postern_build_info", []string{"version", "test"}},
		{4, "postern_sessions", []string{"protocol", "imap"}},
		{0, "postern_sessions", []string{"protocol", "smtp"}},
		{7, "postern_logins_total", []string{"protocol", "imap", "outcome", "accepted"}},
		{1, "postern_logins_total", []string{"protocol", "imap", "outcome", "wrong password"}},
		{0, "postern_logins_total", []string{"protocol", "smtp", "outcome", "sign-in needed"}},
		{1 << 40, "postern_bytes_total", []string{"protocol", "imap", "direction", "up"}},
		{6, "postern_upstream_login_seconds_bucket", []string{"protocol", "imap", "le", "2"}},
		{7, "postern_upstream_login_seconds_bucket", []string{"protocol", "imap", "le", "+Inf"}},
		{9, "postern_upstream_login_seconds_sum", []string{"protocol", "imap"}},
		{3, "postern_clients_before_login", nil},
		{1, "postern_throttled_mailboxes", nil},
		{5, "postern_connections_refused_total", []string{"limit", "pre_login"}},
		{0, "postern_token_refreshes_total", []string{"outcome", "refreshed"}},
		{0, "postern_token_refreshes_total", []string{"outcome", "failed", "class", "sign-in"}},
		{1, "postern_account_state", []string{"account", ann, "state", "never signed in"}},
		{0, "postern_account_state", []string{"account", odd, "state", "ready"}},
	} {
		if got := value(tt.name, tt.labels...); got != tt.want {
			t.Errorf("%s%v is %v, want %v", tt.name, tt.labels, got, tt.want)
		}
	}
	for _, s := range samples {
		if a := s.labels["account"]; a != "" && a != ann && a != odd {
			t.Errorf("account %q is none of the daemon's", a)
		}
	}
	if strings.Contains(page, "50007") || strings.Contains(page, "mutt") {
		t.Errorf("a client shows:\n%s", page)
	}
}

func TestMetricsAreForThisMachine(t *testing.T) {
	w := newWorld(t)
	for host, want := range map[string]int{
		"127.0.0.1:1180": http.StatusOK, "localhost:1180": http.StatusOK, "[::1]:1180": http.StatusOK,
		"evil.example:1180": http.StatusMisdirectedRequest, "192.0.2.7:1180": http.StatusMisdirectedRequest,
	} {
		r := httptest.NewRequest(http.MethodGet, here+"/metrics", nil)
		r.Host = host
		rec := httptest.NewRecorder()
		w.page.ServeHTTP(rec, r)
		if rec.Code != want || want != http.StatusOK && strings.Contains(rec.Body.String(), "postern_") {
			t.Errorf("%s: %d", host, rec.Code)
		}
	}
}

// The check itself is checked.
func TestLintSeesMistakes(t *testing.T) {
	const head = "# HELP a_total x\n# TYPE a_total counter\n"
	for _, page := range []string{
		"a 1\n", head + "a_total 1", head + "a_total{x=\"1\",x=\"2\"} 1\n", head + "a_total{x=\"\"\"} 1\n", head + "a_total x\n",
		head + "a_total 1\na_total 2\n", head + "b 1\n", "# HELP a x\n# TYPE a counter\na 1\n", "# TYPE a gauge\na 1\n",
		"# HELP h x\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
		"# HELP h x\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n",
	} {
		if _, problems := lint(page); len(problems) == 0 {
			t.Errorf("nothing wrong with %q?", page)
		}
	}
	if _, problems := lint(head + "a_total{x=\"a\\\\b\\\"c\\nd\"} 1\n"); len(problems) > 0 {
		t.Error(problems)
	}
}
