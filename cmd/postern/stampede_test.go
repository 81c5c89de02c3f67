package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/emulator"
)

// A thousand clients come at once when the token has expired: the provider is asked once for each account.
func TestStampede(t *testing.T) {
	const clients = 1000
	for _, accounts := range []int{1, 50} {
		t.Run(fmt.Sprintf("%d accounts", accounts), func(t *testing.T) {
			var users []emulator.User
			var emails []string
			for i := range accounts {
				emails = append(emails, fmt.Sprintf("user%02d@example.com", i))
				users = append(users, emulator.User{Address: emails[i], Password: "web", Mail: []emulator.Message{}})
			}
			h := newHousehold(t, emulator.Options{Users: users, RecordLimit: -1, Policy: emulator.Policy{AccessLife: time.Second}})
			id := h.outlook.Identity
			h.configure(id.TokenURL("{tenant}"), emails...)
			h.add("config.toml", "[limits]\nsessions_per_mailbox = 1000\npre_login = 2000\n")
			passwords := make([]string, accounts)
			for i, email := range emails {
				if out, err := h.signIn(h.command("login", email, "--no-browser"), email); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				passwords[i] = strings.TrimSpace(h.run("password", "add", email))
			}
			d, err := h.serve()
			if err != nil {
				t.Fatal(err)
			}
			defer d.kill()
			id.Configure(func(p *emulator.Policy) { p.AccessLife = time.Hour })

			begin := make(chan struct{})
			var connected, over sync.WaitGroup
			for i := range clients {
				connected.Add(1)
				over.Go(func() {
					email, password := emails[i%accounts], passwords[i%accounts]
					conn, err := net.Dial("tcp", d.imap)
					if err != nil {
						t.Error(err)
						connected.Done()
						return
					}
					defer conn.Close()
					conn.SetDeadline(time.Now().Add(2 * time.Minute))
					lines := bufio.NewScanner(conn)
					lines.Scan() // the greeting
					connected.Done()
					<-begin
					fmt.Fprintf(conn, "a LOGIN %s %s\r\nb NOOP\r\n", email, password)
					for lines.Scan() && !strings.HasPrefix(lines.Text(), "b ") {
						if text := lines.Text(); strings.HasPrefix(text, "a ") && !strings.HasPrefix(text, "a OK") {
							t.Error(text)
						}
					}
					if lines.Text() == "" {
						t.Errorf("the connection ended: %v", lines.Err())
					}
				})
			}
			connected.Wait()
			close(begin)
			over.Wait()
			if n := id.Count(emulator.TokenRefresh); n != accounts {
				t.Errorf("%d token requests for %d clients of %d accounts", n, clients, accounts)
			}
		})
	}
}
