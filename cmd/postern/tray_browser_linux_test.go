package main

import (
	"errors"
	"strings"
	"testing"
)

// Where no browser opens, the person who clicked is told what to type, and the link to the page, which is a key, stands
// nowhere: what the tray says goes into the desktop's log.
func TestTrayWithoutBrowser(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	const link = "http://127.0.0.1:1180/open?with=SECRET"
	for _, broken := range []error{nil, errors.New("nothing shows notifications")} {
		d := &fakeDesktop{broken: broken}
		var said strings.Builder
		w := &tray{app: &app{ui: &ui{out: &said, err: &said}}, desktop: d}
		w.open(link, "postern open --no-browser")
		told := strings.Join(d.texts, "\n") + said.String()
		if !strings.Contains(told, "postern open --no-browser") || strings.Contains(told, "SECRET") {
			t.Errorf("with %v it tells %q", broken, told)
		}
	}
}
