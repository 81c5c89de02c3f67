package main

import (
	"io"
	"os"
	"strings"
	"testing"

	"rsc.io/qr"
)

// What is drawn has the modules of the code, dark on light, with the border around them.
func TestDrawCode(t *testing.T) {
	code, err := qr.Encode("https://microsoft.com/devicelogin", qr.L)
	if err != nil {
		t.Fatal(err)
	}
	var dark [][]bool
	for line := range strings.Lines(drawCode(code)) {
		line, ok := strings.CutPrefix(strings.TrimSuffix(line, "\x1b[0m\n"), "\x1b[30;107m")
		if !ok {
			t.Fatalf("a line without its colours: %q", line)
		}
		var upper, lower []bool
		for _, r := range line {
			upper, lower = append(upper, r == '█' || r == '▀'), append(lower, r == '█' || r == '▄')
		}
		dark = append(dark, upper, lower)
	}
	if len(dark) < code.Size+2*quietZone {
		t.Fatalf("%d rows for a code of %d", len(dark), code.Size)
	}
	for y, row := range dark {
		if len(row) != code.Size+2*quietZone {
			t.Fatalf("row %d has %d modules", y, len(row))
		}
		for x, is := range row {
			if want := code.Black(x-quietZone, y-quietZone); is != want {
				t.Fatalf("module %d,%d: dark %v, want %v", x, y, is, want)
			}
		}
	}
}

func TestCodeOnTerminalsOnly(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, w := range []io.Writer{io.Discard, file} {
		if canDraw(w, 1) {
			t.Errorf("draws on %T", w)
		}
	}
}
