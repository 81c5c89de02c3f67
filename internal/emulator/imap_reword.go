package emulator

import (
	"bytes"
	"regexp"
	"strings"
)

var (
	fetchFlags  = regexp.MustCompile(`^\* \d+ FETCH \((?:UID \d+ )?FLAGS \([^)]*\)`)
	systemFlags = strings.NewReplacer(`\seen`, `\Seen`, `\answered`, `\Answered`, `\flagged`, `\Flagged`,
		`\deleted`, `\Deleted`, `\draft`, `\Draft`)
)

// reword turns a line of imapserver into Exchange's. Lines that only carry data stay as they are, but for the
// trailing space of STATUS (seen 2019 to 2024) and the case of flags, which imapmemserver lowers.
func reword(line []byte) []byte {
	switch {
	case bytes.HasPrefix(line, []byte("* STATUS ")):
		return append(bytes.TrimRight(line, "\r\n"), " \r\n"...)
	case fetchFlags.Match(line):
		head := fetchFlags.Find(line)
		return append([]byte(systemFlags.Replace(string(head))), line[len(head):]...)
	case bytes.HasPrefix(line, []byte("* ")):
		return line
	case bytes.HasPrefix(line, []byte("+ ")):
		return []byte(moreText + "\r\n")
	}
	tag, rest, _ := strings.Cut(strings.TrimRight(string(line), "\r\n"), " ")
	return []byte(tag + " " + rewordResult(rest) + "\r\n")
}

// rewordResult rewords what follows the tag.
func rewordResult(text string) string {
	switch {
	case strings.HasPrefix(text, "OK ") && strings.HasSuffix(text, " completed"):
		return text + "."
	case strings.HasPrefix(text, "BAD [CLIENTBUG] This command is only valid in"):
		return badState
	case strings.HasPrefix(text, "BAD Unknown command"):
		return badCommand
	case strings.HasPrefix(text, "BAD "), strings.HasPrefix(text, "NO [SERVERBUG]"):
		return badArgument
	}
	return text
}
