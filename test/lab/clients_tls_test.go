package lab

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postern/internal/emulator"
)

// The settings of `postern client NAME --tls`, with a certificate that the system does not know: TLS from
// the first byte, and STARTTLS.
func TestClientSettingsTLS(t *testing.T) {
	needPostern(t)
	dir := t.TempDir()
	withCert := ownCertificate(t, dir)
	for name, listen := range map[string]string{"implicit": "imaps = \"127.0.0.1:0\"\n" + withCert, "starttls": withCert} {
		t.Run(name, func(t *testing.T) {
			_, p := standIn(t, listen)
			openToNobody(t, filepath.Dir(dir))
			secret := p.addPassword(emulator.SampleUser)
			d := p.serve()
			for _, c := range settingsClients {
				switch c.name {
				case "alpine", "imapfilter": // trust nobody but the system's authorities, or a person who says yes
					continue
				case "getmail":
					if name == "starttls" {
						if _, stderr, code := p.run("client", c.name, emulator.SampleUser, "--tls"); code != 3 || !strings.Contains(stderr, "imaps") {
							t.Errorf("getmail, which knows no STARTTLS: exit code %d, %s", code, stderr)
						}
						continue
					}
				case "aerc":
					c.dialogue = func(t *testing.T, term *terminal) {
						term.env = append(term.env, "SSL_CERT_FILE="+lab.ca)
						aercReads(t, term)
					}
				}
				t.Run(c.name, func(t *testing.T) {
					c.mustBeHere(t)
					if c.unseen {
						c.script += " --all" // fetchmail: others have read before it
					}
					before := upgrades(d)
					c.run(t, strings.ReplaceAll(p.ok("client", c.name, emulator.SampleUser, "--tls"), "PASSWORD", secret), secret, []string{
						"Welcome through the side gate", "Important: the key is under the mat", "A line that begins with From and one with a dot",
					})
					if name == "starttls" && upgrades(d) == before {
						t.Error("it has not asked for TLS")
					}
				})
			}
		})
	}
}

// ownCertificate is the configuration of listeners with a certificate by the lab's authority, which it puts into dir.
func ownCertificate(t *testing.T, dir string) (listen string) {
	t.Helper()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(lab.run, "tls", "server.key")
	server := must(os.ReadFile(filepath.Join(lab.run, "tls", "server.crt")))
	if err := os.WriteFile(cert, append(server, must(os.ReadFile(lab.ca))...), 0o644); err != nil {
		t.Fatal(err)
	}
	return "tls_cert = \"" + cert + "\"\ntls_key = \"" + key + "\"\n"
}

// upgrades counts the clients that have asked for TLS, by the daemon's log.
func upgrades(d *daemon) int {
	return strings.Count(d.out.String(), `"name":"STARTTLS"`) + strings.Count(d.out.String(), `"name":"STLS"`)
}
