package emulator

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strconv"
	"strings"
)

const (
	// An AUTHENTICATE line with a 6000 character token is 8 kB; some tenants' tokens are longer.
	maxFrontLine = 64 << 10
	// A 40 kB UID SEARCH line got "BAD Command Error. 10" from Exchange; the exact limit is not known.
	maxCommandLine  = 32 << 10
	maxFrontLiteral = 64 << 10
)

var errLineTooLong = errors.New("line too long")

// readLine reads one line with its end. With errLineTooLong it returns what it has; the rest is still unread.
func readLine(br *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		line = append(line, part...)
		if err == nil {
			return line, nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		if len(line) > limit {
			return line, errLineTooLong
		}
	}
}

// skipLine reads up to the end of the line.
func skipLine(br *bufio.Reader) error {
	for {
		_, err := br.ReadSlice('\n')
		if !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

// command is the head of a client's command.
type command struct {
	tag  string
	name string // upper case; "UID FETCH" is one name
	args string // up to the end of the first line
}

// parseCommand splits a line into tag, name and arguments. Without a proper tag, tag is "*": what the complaint
// about the line has to begin with.
func parseCommand(line []byte) (command, bool) {
	text := strings.TrimRight(string(line), "\r\n")
	tag, rest, _ := strings.Cut(text, " ")
	if !isTag(tag) {
		return command{tag: "*"}, false
	}
	name, args, _ := strings.Cut(rest, " ")
	name = strings.ToUpper(name)
	if name == "UID" {
		sub, rest, _ := strings.Cut(args, " ")
		name, args = "UID "+strings.ToUpper(sub), rest
	}
	ok := name != "" && strings.Trim(name, " ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
	return command{tag: tag, name: name, args: args}, ok
}

// isTag follows RFC 3501 section 9: ASTRING-CHARs except "+".
func isTag(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte(`(){%*"\+`, s[i]) >= 0 {
			return false
		}
	}
	return true
}

// literalAt tells whether a line ends by announcing a literal: {n}, or {n+} which is sent without waiting.
func literalAt(line []byte) (size int64, waits, ok bool) {
	line = bytes.TrimRight(line, "\r\n")
	if !bytes.HasSuffix(line, []byte("}")) {
		return 0, false, false
	}
	open := bytes.LastIndexByte(line, '{')
	if open < 0 {
		return 0, false, false
	}
	digits, now := strings.CutSuffix(string(line[open+1:len(line)-1]), "+")
	size, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || size < 0 || digits[0] == '+' || digits[0] == '-' {
		return 0, false, false
	}
	return size, !now, true
}

// readArguments reads the literals that follow the first line of a command, and the lines between them. Nothing
// needs their contents. more is called before a literal that waits for a go-ahead.
func readArguments(br *bufio.Reader, line []byte, more func()) error {
	for {
		size, waits, ok := literalAt(line)
		if !ok {
			return nil
		}
		if size > maxFrontLiteral {
			return errLineTooLong
		}
		if waits {
			more()
		}
		if _, err := io.CopyN(io.Discard, br, size); err != nil {
			return err
		}
		var err error
		if line, err = readLine(br, maxFrontLine); err != nil {
			return err
		}
	}
}

// skipArguments reads what a client sends without waiting, for a command that is refused before its literals.
func skipArguments(br *bufio.Reader, line []byte) error {
	for {
		size, waits, ok := literalAt(line)
		if !ok || waits {
			return nil
		}
		if _, err := io.CopyN(io.Discard, br, size); err != nil {
			return err
		}
		var err error
		if line, err = readLine(br, maxFrontLine); err != nil {
			return err
		}
	}
}

// parseXOAUTH2 decodes "user=…^Aauth=Bearer …^A^A" from base64.
func parseXOAUTH2(response string) (user, bearer string, ok bool) {
	plain, err := base64.StdEncoding.DecodeString(response)
	if err != nil {
		return "", "", false
	}
	fields, ok := strings.CutSuffix(string(plain), "\x01\x01")
	if !ok {
		return "", "", false
	}
	for field := range strings.SplitSeq(fields, "\x01") {
		if value, found := strings.CutPrefix(field, "user="); found {
			user = value
		}
		if value, found := cutBearer(field); found {
			bearer = value
		}
	}
	return user, bearer, user != "" && bearer != ""
}

// parseOAUTHBEARER decodes RFC 7628 section 3.1. user is "" when the message has no authzid.
func parseOAUTHBEARER(response string) (user, bearer string, ok bool) {
	plain, err := base64.StdEncoding.DecodeString(response)
	if err != nil {
		return "", "", false
	}
	head, fields, ok := strings.Cut(string(plain), "\x01")
	fields, ended := strings.CutSuffix(fields, "\x01\x01")
	parts := strings.Split(head, ",")
	if !ok || !ended || len(parts) != 3 || parts[0] != "n" || parts[2] != "" {
		return "", "", false
	}
	if parts[1] != "" {
		if user, ok = strings.CutPrefix(parts[1], "a="); !ok {
			return "", "", false
		}
		user = strings.NewReplacer("=2C", ",", "=3D", "=").Replace(user)
	}
	for field := range strings.SplitSeq(fields, "\x01") {
		if value, found := cutBearer(field); found {
			bearer = value
		}
	}
	return user, bearer, bearer != ""
}

func cutBearer(field string) (string, bool) {
	value, ok := strings.CutPrefix(field, "auth=")
	if !ok || len(value) < 7 || !strings.EqualFold(value[:7], "Bearer ") {
		return "", false
	}
	return value[7:], true
}
