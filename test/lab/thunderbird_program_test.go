//go:build unix

package lab

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// birdPatience is longer than patience: it is a large program, and the lab is busy.
const birdPatience = time.Minute

// thunderbird is a running one, with a profile, a screen and a program directory of its own.
type thunderbird struct {
	*marionette
	t      *testing.T
	hands  string // clients/thunderbird.js
	asked  *output
	log    *output
	exited chan error
}

// quiet is what a new profile begins with. Thunderbird gets everything else from the settings under test.
const quiet = `user_pref("marionette.port", 0);
user_pref("network.proxy.type", 1);
user_pref("network.proxy.http", "127.0.0.1");
user_pref("network.proxy.http_port", %[1]s);
user_pref("network.proxy.ssl", "127.0.0.1");
user_pref("network.proxy.ssl_port", %[1]s);
user_pref("network.proxy.failover_direct", false);
user_pref("network.proxy.allow_bypass", false);
user_pref("network.trr.mode", 5);
user_pref("network.dns.disablePrefetch", true);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "data:,");
user_pref("app.update.enabled", false);
user_pref("app.normandy.enabled", false);
user_pref("app.donation.eoy.version.viewed", 999);
user_pref("browser.safebrowsing.malware.enabled", false);
user_pref("browser.safebrowsing.phishing.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("datareporting.healthreport.uploadEnabled", false);
user_pref("toolkit.telemetry.enabled", false);
user_pref("extensions.update.enabled", false);
user_pref("extensions.getAddons.cache.enabled", false);
user_pref("mail.inappnotifications.enabled", false);
user_pref("mail.rights.version", 1);
user_pref("mail.shell.checkDefaultClient", false);
user_pref("mail.biff.play_sound", false);
user_pref("mail.biff.show_alert", false);
user_pref("mailnews.start_page.enabled", false);
user_pref("mailnews.auto_config.fetchFromISP.enabled", false);
user_pref("mailnews.auto_config.fetchFromExchange.enabled", false);
user_pref("mailnews.auto_config_url", "");
`

// startThunderbird lets it find the settings for a domain, as "postern client thunderbird" prints them, where
// that says they belong: in isp/ of the program directory.
func startThunderbird(t *testing.T, domain, settings string) *thunderbird {
	t.Helper()
	hands := must(os.ReadFile("clients/thunderbird.js"))
	home, err := os.MkdirTemp("", "lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	bird := &thunderbird{t: t, hands: string(hands), asked: new(output), log: new(output), exited: make(chan error, 1)}
	bird.install(filepath.Join(home, "program"), domain, settings)
	profile := filepath.Join(home, "profile")
	bird.prepare(profile)

	cmd := exec.Command(filepath.Join(home, "program", "thunderbird"), "--profile", profile, "--no-remote", "--marionette", "--remote-allow-system-access")
	// Two of them in one TMPDIR take the mail that they send for their own, each the other's.
	cmd.Env = []string{"HOME=" + home, "TMPDIR=" + home, "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "DISPLAY=" + startScreen(t), "MOZ_CRASHREPORTER_DISABLE=1"}
	cmd.Stdout, cmd.Stderr = bird.log, bird.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { bird.exited <- cmd.Wait() }()
	t.Cleanup(func() { bird.end(cmd.Process.Pid) })
	bird.marionette = dialMarionette(t, bird.port(profile))
	return bird
}

// install makes a program directory that differs from the system's in the settings in isp/, and in whom it trusts.
func (bird *thunderbird) install(dir, domain, settings string) {
	bird.t.Helper()
	for _, own := range []string{"isp", "distribution"} {
		if err := os.MkdirAll(filepath.Join(dir, own), 0o700); err != nil {
			bird.t.Fatal(err)
		}
	}
	for _, entry := range must(os.ReadDir(lab.thunderbird)) {
		name := entry.Name()
		from, to := filepath.Join(lab.thunderbird, name), filepath.Join(dir, name)
		var err error
		switch name {
		case "isp", "distribution":
		case "thunderbird": // it takes the directory that it really lies in for its own
			err = os.WriteFile(to, must(os.ReadFile(from)), 0o700)
		default:
			err = os.Symlink(from, to)
		}
		if err != nil {
			bird.t.Fatal(err)
		}
	}
	// Mozilla's way for an organisation to have its certificates trusted.
	policies := fmt.Sprintf(`{"policies": {"Certificates": {"Install": [%q]}}}`, lab.ca)
	for name, text := range map[string]string{"isp/" + domain + ".xml": settings, "distribution/policies.json": policies} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			bird.t.Fatal(err)
		}
	}
}

// prepare makes a profile with a proxy for the web that only writes down what was asked for.
func (bird *thunderbird) prepare(profile string) {
	bird.t.Helper()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(bird.asked, r.Method, r.URL)
		w.WriteHeader(http.StatusForbidden)
	}))
	bird.t.Cleanup(proxy.Close)
	if err := os.Mkdir(profile, 0o700); err != nil {
		bird.t.Fatal(err)
	}
	prefs := fmt.Sprintf(quiet, portOf(proxy.Listener.Addr().String()))
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(prefs), 0o600); err != nil {
		bird.t.Fatal(err)
	}
}

// port waits for the remote control.
func (bird *thunderbird) port(profile string) (port string) {
	bird.t.Helper()
	bird.wait("Thunderbird starts", func() bool {
		text, err := os.ReadFile(filepath.Join(profile, "MarionetteActivePort"))
		port = string(bytes.TrimSpace(text))
		return err == nil && port != ""
	})
	return port
}

// startScreen starts a display without a monitor and returns its name.
func startScreen(t *testing.T) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "1280x900x24", "-nolisten", "tcp")
	cmd.ExtraFiles = []*os.File{w}
	err = cmd.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	r.SetReadDeadline(time.Now().Add(patience))
	number, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("Xvfb: %v", err)
	}
	return ":" + strings.TrimSpace(number)
}

// end asks it to quit, and ends what is left of its processes.
func (bird *thunderbird) end(group int) {
	bird.failed()
	if bird.marionette != nil {
		bird.do("Marionette:Quit", map[string]any{"flags": []string{"eForceQuit"}}, nil)
		bird.conn.Close()
	}
	select {
	case <-bird.exited:
	case <-time.After(10 * time.Second):
	}
	syscall.Kill(-group, syscall.SIGKILL)
	if text := bird.asked.String(); text != "" {
		bird.t.Logf("it asked the web in vain:\n%s", text)
	}
}

// failed shows a person what went wrong.
func (bird *thunderbird) failed() {
	if !bird.t.Failed() {
		return
	}
	bird.t.Logf("Thunderbird printed:\n%s", bird.log)
	if bird.marionette == nil {
		return
	}
	var titles struct{ Value []string }
	script := map[string]any{"script": bird.hands + "return windows()", "args": []any{}, "sandbox": "system"}
	err := bird.do("WebDriver:ExecuteScript", script, &titles)
	bird.t.Logf("its windows: %q, %v", titles.Value, err)
	bird.picture(bird.t, "thunderbird-failed")
}

// ask calls one of the functions of clients/thunderbird.js.
func (bird *thunderbird) ask(function string, result any, arguments ...any) {
	bird.t.Helper()
	bird.script(bird.t, bird.hands+"return "+function+"(...arguments)", result, arguments...)
}

func (bird *thunderbird) wait(what string, done func() bool) {
	bird.t.Helper()
	eventually(bird.t, birdPatience, what, done)
}

// until calls a function again and again until it says that it is done.
func (bird *thunderbird) until(what, function string, arguments ...any) {
	bird.t.Helper()
	bird.wait(what, func() (done bool) {
		bird.ask(function, &done, arguments...)
		return done
	})
}
