package emulator

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"os"
	"strings"
	"time"
)

// maxBadLines before the login end the connection.
const maxBadLines = 10

// greet says hello, or fails to; false when the session is over.
func (s *session) greet() bool {
	fault, _ := s.m.fault(AtGreeting, "")
	switch fault.Kind {
	case "":
	case Slow:
		if !s.wait(fault.Delay) {
			return false
		}
	case Endless:
		s.endless()
		return false
	default:
		s.strike(fault, "*")
		return false
	}
	s.say(s.opt.greeting())
	return true
}

// endless is a greeting line without an end.
func (s *session) endless() {
	chunk := append([]byte("* OK "), bytes.Repeat([]byte("x"), 16<<10)...)
	for s.out.write(chunk) == nil {
		chunk = chunk[len(chunk)-16<<10:]
	}
}

// front answers until the login; true when the session is logged in and connected.
func (s *session) front() bool {
	for bad := 0; bad < maxBadLines; {
		line, err := readLine(s.br, maxFrontLine)
		if err != nil {
			s.frontFailed(err)
			return false
		}
		cmd, ok := parseCommand(line)
		if !ok {
			bad++
			s.say(cmd.tag + " " + badCommand)
			continue
		}
		s.m.count(cmd.name)
		if err := readArguments(s.br, line, func() { s.say(moreText) }); err != nil {
			s.frontFailed(err)
			return false
		}
		switch cmd.name {
		case "AUTHENTICATE":
			if loggedIn, over := s.authenticate(cmd); loggedIn || over {
				return loggedIn
			}
		case "LOGIN":
			s.refuseLogin(cmd)
		default:
			if !s.always(cmd) {
				bad++
				s.refuseEarly(cmd)
			}
		}
		if s.isGone() {
			return false
		}
	}
	s.say(byeClosed)
	return false
}

func (s *session) frontFailed(err error) {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.say(byeTimeout)
	case errors.Is(err, errLineTooLong):
		s.say("* "+badCommand, byeClosed)
	}
}

// refuseLogin never looks at the password: Exchange has no password logins any more.
func (s *session) refuseLogin(cmd command) {
	text := noLogin
	switch {
	case s.opt.gmail():
		text = noGmail
	case s.opt.OldCapability:
		text = noLoginOld
	}
	s.say(cmd.tag + " " + text)
	if s.opt.LoginBye {
		s.say(byeSigningOff)
		s.abort()
	}
}

func (s *session) refuseEarly(cmd command) {
	switch {
	case s.opt.gmail():
		s.say(cmd.tag + " BAD Unknown command")
	case isAfterLogin(cmd.name):
		s.say(cmd.tag + " " + badState)
	default:
		s.say(cmd.tag + " " + badCommand)
	}
}

// always answers the commands that do not depend on a mailbox; false when cmd is another. Its literals are read.
func (s *session) always(cmd command) bool {
	done := cmd.tag + " " + s.opt.completed(cmd.name)
	switch cmd.name {
	case "CAPABILITY":
		s.say("* CAPABILITY "+s.opt.capabilities(s.login.Load() != nil), done)
	case "NOOP":
		s.say(done)
	case "ID":
		if strings.TrimSpace(cmd.args) == "()" && !s.opt.gmail() { // refused by Exchange, which wants NIL or values
			s.say(cmd.tag + " " + badArgument)
			return true
		}
		s.say(s.opt.serverID(), done)
	case "LOGOUT":
		goodbye := byeSigningOff
		if s.opt.gmail() {
			goodbye = "* BYE LOGOUT Requested"
		}
		s.say(goodbye, done)
		s.abort()
	default:
		return false
	}
	return true
}

// unconnected is the rest of a session whose login meant nothing: the first real command hears that the user is
// not connected, the second hears it again and BYE. NOOP, CAPABILITY, ID and LOGOUT tell nothing.
func (s *session) unconnected(first *command) {
	s.lost.Store(true)
	refused := 0
	for refused < 2 && !s.isGone() {
		cmd := first
		if first = nil; cmd == nil {
			next, err := s.nextCommand()
			if err != nil {
				return
			}
			cmd = &next
		}
		if s.expired.Load() {
			s.sayExpired()
			return
		}
		if s.always(*cmd) {
			continue
		}
		refused++
		s.say(cmd.tag + " " + badNotConnected)
	}
	s.say(byeClosed)
	s.abort()
}

// nextCommand reads a command with what its client sends without waiting.
func (s *session) nextCommand() (command, error) {
	line, err := readLine(s.br, maxFrontLine)
	if err != nil {
		return command{}, err
	}
	cmd, ok := parseCommand(line)
	if !ok {
		cmd.name = "" // always refused
	}
	s.m.count(cmd.name)
	return cmd, skipArguments(s.br, line)
}

// strike does what a fault says, for a command with this tag; false when the session is over. NotConnected and
// ResetInLiteral are the caller's: they need to know what comes next.
func (s *session) strike(f MailFault, tag string) bool {
	switch f.Kind {
	case Slow:
		return s.wait(f.Delay)
	case Throttle:
		return s.throttle(f, tag)
	case Unavailable:
		s.say(unavailable, byeClosed)
	case Bye:
		s.say("* BYE " + cmp.Or(f.Text, "Connection is closed. 13"))
	case Silence:
		s.silence()
	case Reset:
		s.reset()
	}
	s.abort()
	return false
}

func (s *session) throttle(f MailFault, tag string) bool {
	result := "BAD"
	if f.NO {
		result = "NO"
	}
	s.say(throttled(tag, result, f.backoff()))
	if f.Bye {
		s.say(byeClosed)
		s.abort()
	}
	return !f.Bye
}

// silence swallows everything until the client or the server gives up.
func (s *session) silence() {
	s.frozen.Store(true)
	s.conn.SetReadDeadline(time.Time{})
	io.Copy(io.Discard, s.br)
}
