package proxy

import "bytes"

// afterLogin is the rule of every relay. LOGIN and AUTHENTICATE would carry the local password upstream,
// UNAUTHENTICATE (RFC 8437) would make room for them, and COMPRESS (RFC 4978) would hide them.
func afterLogin(name, _ []byte) ruling {
	switch {
	case is(name, "LOGIN"), is(name, "AUTHENTICATE"), is(name, "UNAUTHENTICATE"):
		return ruling{answer: "BAD already logged in"}
	case is(name, "COMPRESS"):
		return ruling{answer: "NO [CANNOT] compression is not possible through Postern"}
	}
	return ruling{}
}

func is(name []byte, want string) bool { return bytes.EqualFold(name, []byte(want)) }

// readOnly is the rule for a local password that may only read: a list of what is allowed, so that a
// command that nobody thought of is refused. SELECT becomes EXAMINE, in which a server keeps even the
// seen flag as it is (RFC 9051 section 6.3.3).
func readOnly(name, sub []byte) ruling {
	if r := afterLogin(name, sub); r.answer != "" || len(name) == 0 { // a line without a name ends IDLE
		return r
	}
	if is(name, "SELECT") {
		return ruling{instead: "EXAMINE"}
	}
	if is(name, "UID") {
		name = sub
		if !isAny(name, "FETCH", "SEARCH", "SORT", "THREAD") {
			return ruling{answer: "NO [NOPERM] this local password may only read"}
		}
		return ruling{}
	}
	if isAny(name, "CAPABILITY", "NOOP", "LOGOUT", "ID", "ENABLE", "IDLE", "NAMESPACE", "CHECK",
		"EXAMINE", "CLOSE", "UNSELECT", "LIST", "LSUB", "XLIST", "STATUS",
		"FETCH", "SEARCH", "SORT", "THREAD", "ESEARCH",
		"GETQUOTA", "GETQUOTAROOT", "GETACL", "MYRIGHTS", "LISTRIGHTS", "GETMETADATA", "NOTIFY") {
		return ruling{}
	}
	return ruling{answer: "NO [NOPERM] this local password may only read"}
}

func isAny(name []byte, names ...string) bool {
	for _, n := range names {
		if is(name, n) {
			return true
		}
	}
	return false
}
