package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Files of the store's directory. The ending decides what a file is, so no account's name can be mistaken.
const (
	recordEnding = ".record"
	lockEnding   = ".lock"
	tempEnding   = ".tmp"
)

// Longer names get a hash: file systems take 255 bytes, and some encrypted ones 143.
const maxFileName = 128

// hashPrefix begins with a character that fileName writes only before two hexadecimal digits.
const hashPrefix = "%sha256-"

// Names that Windows gives to devices in every directory, whatever ending follows
// (learn.microsoft.com, "Naming Files, Paths, and Namespaces").
var windowsDevices = []string{"con", "prn", "aux", "nul",
	"com0", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9",
	"lpt0", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9"}

// fileName returns the name, without an ending, of the files of an account. No two accounts share one, also
// where the file system ignores case or Unicode forms, and none leaves the directory.
func fileName(account string) string {
	var b strings.Builder
	stem, _, _ := strings.Cut(account, ".")
	for i, c := range []byte(account) {
		plain := 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("@._+-", c) >= 0
		if i == 0 && (c == '.' || c == '-' || slices.Contains(windowsDevices, stem)) {
			plain = false
		}
		if plain {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	if b.Len() > maxFileName {
		sum := sha256.Sum256([]byte(account))
		return hashPrefix + hex.EncodeToString(sum[:])
	}
	return b.String()
}

// accountOf is the reverse of fileName; hashed names and names that fileName does not make are not ok.
func accountOf(name string) (account string, ok bool) {
	if strings.HasPrefix(name, hashPrefix) {
		return "", false
	}
	account, err := url.PathUnescape(name)
	return account, err == nil && fileName(account) == name
}
