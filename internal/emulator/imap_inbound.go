package emulator

import (
	"errors"
	"io"
	"net"
	"strings"
	"time"
)

// mailConn is what imapserver takes for its connection: the client's commands come through Read, one line per call
// at most, so that those which are not for the mailbox can be taken out; imapserver's answers leave through Write.
// Read and Close are called by imapserver's goroutine, Write also by the one of its IDLE.
type mailConn struct {
	net.Conn
	s *session

	pass      []byte // rest of a line on its way to imapserver
	literal   int64  // bytes of a literal that pass as they are
	goesOn    bool   // the next line continues a command after a literal
	announced int64  // size of a literal that waits for imapserver's go-ahead; -1 = none

	greeted bool // imapserver's greeting was swallowed; guarded by session.out.mu
}

func (c *mailConn) openBox() *mailbox { return c.s.login.Load().box }

// SetReadDeadline and SetWriteDeadline do nothing: imapserver's limits do not know of the commands that are answered
// here, and would end a slow client that a real server goes on serving.
func (c *mailConn) SetReadDeadline(time.Time) error  { return nil }
func (c *mailConn) SetWriteDeadline(time.Time) error { return nil }

// Close ends the session.
func (c *mailConn) Close() error {
	c.s.finish()
	return nil
}

func (c *mailConn) Read(p []byte) (int, error) {
	s := c.s
	for {
		switch {
		case len(c.pass) > 0:
			n := copy(p, c.pass)
			c.pass = c.pass[n:]
			return n, nil
		case c.literal > 0 && !s.frozen.Load():
			n, err := s.br.Read(p[:min(int64(len(p)), c.literal)])
			c.literal -= int64(n)
			return n, err
		}
		line, err := readLine(s.br, maxCommandLine)
		if s.frozen.Load() {
			s.silence()
			return 0, io.EOF
		}
		if errors.Is(err, errLineTooLong) && !c.goesOn {
			err = c.tooLong(line)
			line = nil
		}
		if err != nil {
			return 0, err
		}
		if line == nil {
			continue
		}
		if c.isData(line) || c.isForMailbox(line) {
			c.forwardLine(line)
		}
		if s.isGone() {
			return 0, io.EOF
		}
	}
}

// isData tells of lines that are not the head of a command.
func (c *mailConn) isData(line []byte) bool {
	return c.goesOn || c.s.idle.Swap(false)
}

// forwardLine lets a line pass and remembers what has to follow it.
func (c *mailConn) forwardLine(line []byte) {
	c.pass = line
	c.goesOn = false
	c.announced = -1
	size, waits, ok := literalAt(line)
	switch {
	case ok && waits:
		c.announced = size
	case ok:
		c.literal, c.goesOn = size, true
	}
}

// literalAccepted is imapserver's go-ahead for the literal that was announced.
func (c *mailConn) literalAccepted() {
	if c.announced >= 0 {
		c.literal, c.goesOn, c.announced = c.announced, true, -1
	}
}

func (c *mailConn) tooLong(start []byte) error {
	if err := skipLine(c.s.br); err != nil {
		return err
	}
	cmd, _ := parseCommand(start)
	c.s.say(cmd.tag + " " + badCommand)
	return nil
}

// isForMailbox takes out the commands that the emulator answers itself, and lets faults strike.
func (c *mailConn) isForMailbox(line []byte) bool {
	s := c.s
	cmd, ok := parseCommand(line)
	s.m.count(cmd.name)
	if s.expired.Load() {
		s.sayExpired()
		return false
	}
	fault, struck := s.m.fault(cmd.name, s.mailbox())
	if struck && fault.Kind != Slow && fault.Kind != ResetInLiteral {
		c.faulted(fault, cmd, line)
		return false
	}
	if fault.Kind == Slow && !s.wait(fault.Delay) {
		return false
	}
	if fault.Kind == ResetInLiteral {
		s.cut.Store(true)
	}
	text := ""
	switch {
	case cmd.name == "CAPABILITY", cmd.name == "ID", cmd.name == "LOGOUT":
		if readArguments(s.br, line, func() { s.say(moreText) }) != nil {
			s.abort()
			return false
		}
		s.always(cmd)
		return false
	case cmd.name == "LOGIN", cmd.name == "AUTHENTICATE":
		text = badState
	case !ok, !s.opt.knows(cmd.name):
		text = badCommand
	case cmd.name != "APPEND" && tooLarge(line):
		text = badArgument
	case strings.HasSuffix(cmd.name, "SEARCH") && !s.opt.gmail() && wantsOtherCharset(cmd.args):
		text = badCharset
	default:
		return true
	}
	c.refuse(cmd, line, text)
	return false
}

// refuse answers a command that never reaches the mailbox.
func (c *mailConn) refuse(cmd command, line []byte, text string) {
	c.s.say(cmd.tag + " " + text)
	if skipArguments(c.s.br, line) != nil {
		c.s.abort()
	}
}

func (c *mailConn) faulted(f MailFault, cmd command, line []byte) {
	s := c.s
	switch f.Kind {
	case Refuse:
		text := f.Text
		if text == "" {
			text = badCommand
		}
		c.refuse(cmd, line, text)
		return
	case NotConnected:
		if skipArguments(s.br, line) == nil {
			s.unconnected(&cmd)
		}
		s.abort()
		return
	}
	if s.strike(f, cmd.tag) && skipArguments(s.br, line) != nil {
		s.abort()
	}
}

// knows tells of the commands that the mailbox may see after the login.
func (o MailOptions) knows(name string) bool {
	return isAfterLogin(name) || name == "NOOP" || name == "ENABLE" && o.gmail()
}

// tooLarge tells of a literal that imapserver (beta.8) would take without ever answering.
func tooLarge(line []byte) bool {
	size, _, ok := literalAt(line)
	return ok && size > 4096
}

// wantsOtherCharset tells of a SEARCH that Exchange refuses: it knows US-ASCII only.
func wantsOtherCharset(args string) bool {
	words := strings.Fields(strings.ToUpper(args))
	return len(words) > 1 && words[0] == "CHARSET" && strings.Trim(words[1], `"`) != "US-ASCII"
}
