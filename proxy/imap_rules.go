package proxy

import "bytes"

// afterLogin is the rule of every relay. LOGIN and AUTHENTICATE would carry the local password upstream,
// UNAUTHENTICATE (RFC 8437) would make room for them, and COMPRESS (RFC 4978) would hide them.
// It returns what stands behind the tag of the answer that refuses a command, "" for a command that passes.
func afterLogin(name []byte) (refusal string) {
	switch {
	case isAny(name, "LOGIN", "AUTHENTICATE", "UNAUTHENTICATE"):
		return "BAD already logged in"
	case is(name, "COMPRESS"):
		return "NO [CANNOT] compression is not possible through Postern"
	}
	return ""
}

// strayAnswer says whether a line of one word may be an answer within AUTHENTICATE or AUTH, which holds a password:
// base64, or the * that breaks it off. A client that does not wait sends it whatever becomes of the command.
func strayAnswer(word []byte) bool {
	for _, c := range word {
		letter := c | 0x20
		if !('a' <= letter && letter <= 'z' || '0' <= c && c <= '9' || bytes.IndexByte([]byte("+/=*"), c) >= 0) {
			return false
		}
	}
	return len(word) > 0 && !is(word, "DONE")
}

func is(name []byte, want string) bool { return bytes.EqualFold(name, []byte(want)) }

const mayOnlyRead = "NO [NOPERM] this local password may only read"

// readOnly is the rule for a local password that may only read: a list of what is allowed, so that a
// command that nobody thought of is refused. sub is what stands behind UID. SELECT becomes EXAMINE, in which a
// server keeps even the seen flag as it is (RFC 9051 section 6.3.3).
func readOnly(name, sub []byte) (refusal, instead string) {
	switch {
	case afterLogin(name) != "":
		return afterLogin(name), ""
	case is(name, "SELECT"):
		return "", "EXAMINE"
	case is(name, "UID") && isAny(sub, "FETCH", "SEARCH", "SORT", "THREAD"):
		return "", ""
	case isAny(name, "CAPABILITY", "NOOP", "LOGOUT", "ID", "ENABLE", "IDLE", "NAMESPACE", "CHECK",
		"EXAMINE", "CLOSE", "UNSELECT", "LIST", "LSUB", "XLIST", "STATUS",
		"FETCH", "SEARCH", "SORT", "THREAD", "ESEARCH",
		"GETQUOTA", "GETQUOTAROOT", "GETACL", "MYRIGHTS", "LISTRIGHTS", "GETMETADATA", "NOTIFY"):
		return "", ""
	}
	return mayOnlyRead, ""
}

func isAny(name []byte, names ...string) bool {
	for _, n := range names {
		if is(name, n) {
			return true
		}
	}
	return false
}
