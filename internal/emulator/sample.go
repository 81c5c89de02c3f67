package emulator

import (
	"bytes"
	"embed"
	"time"
)

//go:embed sample/*.eml
var sampleFiles embed.FS

// SampleMail is what a mailbox holds when Options say nothing else: plain text, HTML with an attachment, UTF-8 in
// header and body, a flagged one, and something in most folders. Each call returns new values.
func SampleMail() []Message {
	day := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	list := []Message{
		{Flags: []string{`\Seen`}, Raw: sample("welcome")},
		{Raw: sample("report")},
		{Raw: sample("utf8")},
		{Flags: []string{`\Seen`, `\Flagged`}, Raw: sample("flagged")},
		{Raw: sample("notice")},
		{Folder: "Sent", Flags: []string{`\Seen`}, Raw: sample("sent")},
		{Folder: "Drafts", Flags: []string{`\Seen`, `\Draft`}, Raw: sample("draft")},
		{Folder: "Archive", Flags: []string{`\Seen`, `\Answered`}, Raw: sample("archived")},
		{Folder: "Junk Email", Raw: sample("junk")},
	}
	for i := range list {
		list[i].Date = day.AddDate(0, 0, 2*i)
	}
	return list
}

// sample reads an embedded message and gives it the line ends of RFC 5322.
func sample(name string) []byte {
	raw, err := sampleFiles.ReadFile("sample/" + name + ".eml")
	if err != nil {
		panic(err) // embedded at build time
	}
	raw = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n"))
}
