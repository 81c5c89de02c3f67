package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/BurntSushi/toml"
)

// maxFile is more than any certificate, key or secret takes.
const maxFile = 1 << 20

// checkReadable reads the file that a key names. It returns nil and adds what is wrong when it can not;
// a key that is not set is right.
func checkReadable(p *problems, at toml.Key, path string) []byte {
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a file")
	}
	var content []byte
	if err == nil {
		content, err = readFile(path)
	}
	switch {
	case err != nil:
		// Not wrapped: a missing file of a key must not look like a missing configuration.
		if e, ok := errors.AsType[*fs.PathError](err); ok {
			err = e.Err
		}
		p.add(at, "can not read %s: %v", path, err)
		return nil
	case len(content) == 0:
		p.add(at, "%s is empty", path)
		return nil
	}
	return content
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = errors.New("larger than 1 MiB")
	}
	return content, err
}

// checkPEM wants certificates in the file.
func checkPEM(p *problems, at toml.Key, path string) {
	if content := checkReadable(p, at, path); content != nil && !x509.NewCertPool().AppendCertsFromPEM(content) {
		p.add(at, "no PEM certificate in %s", path)
	}
}

// checkPair wants a certificate and the key that belongs to it.
func checkPair(p *problems, certAt toml.Key, cert string, keyAt toml.Key, key string) {
	certPEM, keyPEM := checkReadable(p, certAt, cert), checkReadable(p, keyAt, key)
	if certPEM == nil || keyPEM == nil {
		return
	}
	if _, err := tls.X509KeyPair(certPEM, keyPEM); err != nil {
		p.add(certAt, "%s and %s are not a certificate and its key: %v", cert, key, err)
	}
}
