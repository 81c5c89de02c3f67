package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"
)

// ui is how the commands talk to a person. The rules:
//   - What a script wants (a password, a token, JSON, a list) goes to standard output, alone.
//   - Everything else goes to standard error: what is going on, what to do next, and errors.
//   - An error is one line "postern: error: what: why", followed by a line "postern: hint: cure" where there
//     is a cure. Lower case, no full stop.
//   - Nothing is asked when standard input is no terminal.
//   - What a file or a server calls something is shown without the signs that a terminal obeys.
type ui struct {
	in       io.Reader
	out, err io.Writer

	lost error // the first result that could not be written
}

// print writes a result.
func (u *ui) print(format string, args ...any) {
	_, err := io.WriteString(u.out, harmless(fmt.Sprintf(format, args...)))
	u.lost = cmp.Or(u.lost, err)
}

// say tells a person what is going on.
func (u *ui) say(format string, args ...any) { u.prompt(format+"\n", args...) }

// prompt is say without the line's end.
func (u *ui) prompt(format string, args ...any) {
	io.WriteString(u.err, harmless(fmt.Sprintf(format, args...)))
}

// json writes a result for a script, on one line.
func (u *ui) json(v any) error { return json.NewEncoder(u.out).Encode(v) }

// endLine begins a new line on a terminal, which has shown ^C.
func (u *ui) endLine() {
	if f, ok := u.err.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		u.say("")
	}
}

func (u *ui) fail(err error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		u.say("postern: error: %s", line)
	}
	if h := hint(err); h != "" {
		u.say("postern: hint: %s", h)
	}
}

// count is a number of things, in words.
func count(n int, what string) string {
	switch n {
	case 0:
		return "no " + what
	case 1:
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
