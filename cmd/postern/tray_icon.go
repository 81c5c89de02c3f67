package main

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/png"
	"math"
)

const traySize = 64

var trayPaint = [...]color.NRGBA{
	trayGrey:  {0x80, 0x80, 0x80, 0xff},
	trayGreen: {0x2e, 0x9e, 0x4f, 0xff},
	trayAmber: {0xe0, 0x9a, 0x10, 0xff},
	trayRed:   {0xd2, 0x2f, 0x2f, 0xff},
	trayBlue:  {0x3b, 0x7d, 0xd8, 0xff},
}

// drawTray draws a gate: crossed out without a daemon, with a keyhole when all is well, a bar when something is
// to be waited for, an exclamation mark when a person must act, two posts when it is paused. The shapes are for
// those who do not tell the colours apart. A white rim keeps it visible on a dark panel.
func drawTray(c trayColour) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, traySize, traySize))
	for y := range traySize {
		for x := range traySize {
			img.SetNRGBA(x, y, trayPixel(c, float64(x)+0.5, float64(y)+0.5))
		}
	}
	return img
}

func trayPixel(c trayColour, x, y float64) color.NRGBA {
	white := color.NRGBA{0xff, 0xff, 0xff, 0xff}
	switch {
	case inGate(x, y, 6):
		if inSign(c, x, y) {
			return white
		}
		return trayPaint[c]
	case inGate(x, y, 2):
		return white
	}
	return color.NRGBA{}
}

// inGate is a door with a round top, whose edge lies inset from the icon's.
func inGate(x, y, inset float64) bool {
	const middle, wide = traySize / 2, 26
	half := wide - inset
	if y > middle {
		return math.Abs(x-middle) < half && y < traySize-inset
	}
	return math.Hypot(x-middle, (y-middle)*half/(middle-inset)) < half
}

func inSign(c trayColour, x, y float64) bool {
	const middle = traySize / 2
	dx := math.Abs(x - middle)
	switch c {
	case trayGreen:
		return math.Hypot(x-middle, y-26) < 7 || dx < 3.5 && y > 26 && y < 48
	case trayAmber:
		return dx < 12 && math.Abs(y-34) < 4
	case trayRed:
		return dx < 4.5 && y > 14 && y < 38 || math.Hypot(x-middle, y-48) < 5.5
	case trayBlue:
		return dx > 4 && dx < 11 && y > 22 && y < 48
	}
	return math.Abs((x-middle)+(y-36)) < 5.5 && dx < 15
}

func trayPNG(c trayColour) []byte {
	var b bytes.Buffer
	png.Encode(&b, drawTray(c)) // a bytes.Buffer takes everything
	return b.Bytes()
}

// trayICO wraps the PNG as Windows wants it: ICONDIR with one entry.
func trayICO(c trayColour) []byte {
	data := trayPNG(c)
	var b bytes.Buffer
	for _, v := range []any{
		uint16(0), uint16(1), uint16(1), // reserved, an icon, one image
		uint8(traySize), uint8(traySize), uint8(0), uint8(0), // width, height, no palette, reserved
		uint16(1), uint16(32), uint32(len(data)), uint32(6 + 16), // planes, bits, size, offset
	} {
		binary.Write(&b, binary.LittleEndian, v)
	}
	b.Write(data)
	return b.Bytes()
}
