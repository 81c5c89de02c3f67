package emulator

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
)

// data answers DATA and takes the message that follows; false when the session is over.
func (c *smtpSession) data() bool {
	if c.mail == nil || len(c.mail.to) == 0 || c.mail.chunked || strings.EqualFold(c.mail.parameters["BODY"], "BINARYMIME") {
		c.say(smtpBadSequence)
		return !c.isGone()
	}
	c.say(smtpStartMail)
	raw, fits, err := readDotted(c.br, c.opt.maxSize())
	if err != nil {
		return false
	}
	c.mail.tooLarge = !fits
	return c.finish(raw)
}

// chunk answers BDAT (RFC 3030), whose octets follow the line without a go-ahead; false when the session is over.
func (c *smtpSession) chunk(rest string) bool {
	size, last, ok := parseBDAT(rest)
	if !ok { // what follows can not be told from commands any more
		c.say(smtpBadBDAT)
		return false
	}
	if c.mail == nil || len(c.mail.to) == 0 {
		if !c.skipChunk(rest) {
			return false
		}
		c.say(smtpBadSequence)
		return !c.isGone()
	}
	e := c.mail
	e.chunked = true
	e.tooLarge = e.tooLarge || int64(e.chunks.Len())+size > c.opt.maxSize()
	var to io.Writer = &e.chunks
	if e.tooLarge {
		to = io.Discard
	}
	if _, err := io.CopyN(to, c.br, size); err != nil {
		return false
	}
	switch {
	case last:
		return c.finish(e.chunks.Bytes())
	case e.tooLarge:
		c.say(smtpTooLarge)
	default:
		c.say(smtpChunk(size))
	}
	return !c.isGone()
}

func parseBDAT(rest string) (size int64, last, ok bool) {
	fields := strings.Fields(rest)
	if len(fields) == 2 && strings.EqualFold(fields[1], "LAST") {
		last, fields = true, fields[:1]
	}
	if len(fields) != 1 {
		return 0, false, false
	}
	size, err := strconv.ParseInt(fields[0], 10, 64)
	return size, last, err == nil && size >= 0
}

// skipChunk reads over the octets of a BDAT that is refused.
func (c *smtpSession) skipChunk(rest string) bool {
	size, _, ok := parseBDAT(rest)
	if !ok {
		return false
	}
	_, err := io.CopyN(io.Discard, c.br, size)
	return err == nil
}

// finish answers the end of a message, and keeps it.
func (c *smtpSession) finish(raw []byte) bool {
	e := c.mail
	c.mail = nil
	if answered, over := c.strike(AtMessage, smtpTemporary); answered || over {
		return !over
	}
	mailbox := c.mailbox()
	switch {
	case e.tooLarge:
		c.say(smtpTooLarge)
	case !c.smtp.maySend(mailbox, e.from):
		c.say(smtpSendAsDenied + " [Hostname=" + serverName + "]")
	default:
		err := c.smtp.deliver(Submission{
			Mailbox: mailbox, From: e.from, To: e.to, Parameters: e.parameters, Notify: e.notify, BDAT: e.chunked, Raw: raw,
		})
		if err != nil {
			c.say("451 4.3.0 " + err.Error())
			break
		}
		c.say(smtpQueued())
	}
	return !c.isGone()
}

// readDotted reads a message up to the line with a dot alone and takes dot-stuffing out (RFC 5321 section 4.5.2).
// Only CR LF ends a line here. What is larger than most is read and not kept.
func readDotted(br *bufio.Reader, most int64) (raw []byte, fits bool, err error) {
	var b bytes.Buffer
	fits = true
	atStart, endedCR := true, false
	for {
		part, err := br.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, false, err
		}
		if atStart && bytes.Equal(part, []byte(".\r\n")) {
			return b.Bytes(), fits, nil
		}
		next := bytes.HasSuffix(part, []byte("\r\n")) || endedCR && len(part) == 1 && part[0] == '\n'
		endedCR = part[len(part)-1] == '\r'
		if atStart && part[0] == '.' {
			part = part[1:]
		}
		atStart = next
		if fits = fits && int64(b.Len()+len(part)) <= most; fits {
			b.Write(part)
		}
	}
}
