package main

import (
	"io"
	"os"
	"runtime"
	"strings"

	"golang.org/x/term"
	"rsc.io/qr"
)

// quietZone is the white border that ISO/IEC 18004 asks for, in modules.
const quietZone = 4

// sayCode draws an address as a QR code for the camera of a telephone, where it can be drawn. It is never an
// address with the device code filled in: a person who types the code knows what it was asked for.
func (u *ui) sayCode(address string) {
	code, err := qr.Encode(address, qr.L)
	if err != nil || !canDraw(u.err, code.Size+2*quietZone) {
		return
	}
	io.WriteString(u.err, "\n"+drawCode(code)+"\n") // with signs for the terminal, which say takes out
}

// canDraw says whether w is a terminal that is so many columns wide and shows block characters in colour.
func canDraw(w io.Writer, columns int) bool {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return false
	}
	if width, _, err := term.GetSize(int(f.Fd())); err != nil || width < columns {
		return false
	}
	if runtime.GOOS == "windows" { // the old console takes the colours for text
		return os.Getenv("WT_SESSION") != "" || os.Getenv("TERM") != ""
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(os.Getenv(name)); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return runtime.GOOS == "darwin"
}

// drawCode puts two rows of modules into a line. The colours are given, because a camera may not read white
// on black.
func drawCode(code *qr.Code) string {
	const blackOnWhite, usual = "\x1b[30;107m", "\x1b[0m"
	var b strings.Builder
	for y := -quietZone; y < code.Size+quietZone; y += 2 {
		b.WriteString(blackOnWhite)
		for x := -quietZone; x < code.Size+quietZone; x++ {
			switch upper, lower := code.Black(x, y), code.Black(x, y+1); {
			case upper && lower:
				b.WriteRune('█')
			case upper:
				b.WriteRune('▀')
			case lower:
				b.WriteRune('▄')
			default:
				b.WriteByte(' ')
			}
		}
		b.WriteString(usual + "\n")
	}
	return b.String()
}
