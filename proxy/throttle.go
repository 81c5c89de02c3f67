package proxy

import (
	"strconv"
	"strings"
	"time"
)

// mostPause bounds what a server can ask for: a typing error of a server must not close a mailbox for a year.
const mostPause = 30 * time.Minute

// pauseAsked reads the pause out of Exchange's "Request is throttled. Suggested Backoff Time: 89117
// milliseconds" (NO or BAD, on any command, seen 2019 to 2026). Without a number it is a minute.
func pauseAsked(text string) (time.Duration, bool) {
	_, after, ok := cutFold(text, "request is throttled")
	if !ok {
		return 0, false
	}
	if _, number, ok := cutFold(after, "suggested backoff time"); ok {
		number = strings.TrimLeft(number, " :=")
		end := strings.IndexFunc(number, func(r rune) bool { return r < '0' || r > '9' })
		if end < 0 {
			end = len(number)
		}
		if ms, err := strconv.ParseInt(number[:end], 10, 64); err == nil && ms >= 0 {
			return min(time.Duration(min(ms, mostPause.Milliseconds()))*time.Millisecond, mostPause), true
		}
	}
	return time.Minute, true
}

// cutFold is strings.Cut without regard to case. It does not look in a lower-case copy: letters may have another length
// there, and so have bytes that are no UTF-8, which servers repeat from the names of mailboxes.
func cutFold(s, sep string) (before, after string, found bool) {
	for i := 0; i+len(sep) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(sep)], sep) {
			return s[:i], s[i+len(sep):], true
		}
	}
	return s, "", false
}
