package control

import (
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Every user of the machine can read the arguments of a browser's process, and be quicker than the browser.
func TestLinkIsForOneUser(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		link      int
		user      int
		wantEnter bool
	}{
		{"its user", 1000, 1000, true},
		{"another user", 1000, 1001, false},
		{"root, who carries a connection for somebody", 1000, 0, true},
		{"where the system does not tell", 1000, anyUser, true},
		{"a link that was printed", anyUser, 1001, true},
	} {
		var v visitors
		token := v.invite(link{until: time.Now().Add(time.Minute), user: test.link})
		if _, ok := v.enter(token, test.user); ok != test.wantEnter {
			t.Errorf("%s: %v, want %v", test.name, ok, test.wantEnter)
		}
		if _, ok := v.enter(token, test.link); ok == test.wantEnter {
			t.Errorf("%s: its own user afterwards: %v", test.name, ok)
		}
	}
}

// A real connection shows whose it is.
func TestLinkForAnotherUserIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := httptest.NewServer(w.Page())
	defer page.Close()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	open := func(user int) int {
		t.Helper()
		link, err := w.LinkFor(user)
		if err != nil {
			t.Fatal(err)
		}
		_, query, _ := strings.Cut(link, "?")
		res, err := client.Get(page.URL + "/open?" + query)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if got := open(os.Getuid()); got != http.StatusSeeOther {
		t.Errorf("the own user: %d", got)
	}
	refused := http.StatusForbidden
	if runtime.GOOS != "linux" || os.Getuid() == 0 { // nobody tells, or root may
		refused = http.StatusSeeOther
	}
	if got := open(os.Getuid() + 1); got != refused {
		t.Errorf("another user: %d, want %d", got, refused)
	}
}
