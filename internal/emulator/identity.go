package emulator

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Identity is the identity platform: authorize, token and device endpoints for any tenant, over HTTPS.
// Its methods may be called from any goroutine.
type Identity struct {
	base    string
	log     *slog.Logger
	roots   *x509.CertPool
	server  *http.Server
	closing chan struct{}
	running sync.WaitGroup

	firstClient string

	mu      sync.Mutex // guards everything below
	closed  bool
	policy  Policy
	people  []*User // in the order of Options.Users; people[0] is who AutoApprove takes by default
	clients map[string]*Client
	expired func(map[*accessToken]bool)

	signIns    map[string]*signIn
	codes      map[string]*code
	devices    map[string]*device
	access     map[string]*accessToken
	refresh    map[string]*refreshToken
	families   []*family
	assertions map[string]time.Time // jti of a client assertion, until it expires

	faults faultQueue[Endpoint, Fault]
	counts map[Endpoint]int
	last   map[Endpoint]url.Values
	reuses int
}

func startIdentity(opt Options, roots *x509.CertPool, conf *tls.Config) (*Identity, error) {
	id := &Identity{
		firstClient: opt.Clients[0].ID,
		log:         opt.Log,
		roots:       roots,
		closing:     make(chan struct{}),
		policy:      opt.Policy,
		clients:     make(map[string]*Client),
		signIns:     make(map[string]*signIn),
		codes:       make(map[string]*code),
		devices:     make(map[string]*device),
		access:      make(map[string]*accessToken),
		refresh:     make(map[string]*refreshToken),
		assertions:  make(map[string]time.Time),
		counts:      make(map[Endpoint]int),
		last:        make(map[Endpoint]url.Values),
	}
	for _, user := range opt.Users {
		user.Address = strings.ToLower(user.Address)
		id.people = append(id.people, &user)
	}
	for _, client := range opt.Clients {
		if client.Redirects == nil {
			client.Redirects = []string{"http://localhost"}
		}
		if client.Name == "" {
			client.Name = client.ID
		}
		id.clients[client.ID] = &client
	}
	if err := id.listen(conf); err != nil {
		return nil, err
	}
	return id, nil
}

// listen binds 127.0.0.1 and, where the host has it, the same port of ::1: a browser may turn localhost into either.
func (id *Identity) listen(conf *tls.Config) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	port := ln.Addr().(*net.TCPAddr).Port
	id.base = fmt.Sprintf("https://127.0.0.1:%d", port)
	listeners := []net.Listener{ln}
	if six, err := net.Listen("tcp", fmt.Sprintf("[::1]:%d", port)); err == nil {
		listeners = append(listeners, six)
	}
	conf.NextProtos = []string{"http/1.1"} // as seen at the login host in 2025; also what a TCP reset needs
	id.server = &http.Server{
		Handler:           id.routes(),
		ErrorLog:          slog.NewLogLogger(id.log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: time.Minute,
	}
	for _, ln := range listeners {
		id.running.Go(func() { id.server.Serve(tls.NewListener(ln, conf)) })
	}
	return nil
}

func (id *Identity) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/{tenant}/oauth2/v2.0/authorize", id.endpoint(Authorize, id.authorize))
	mux.Handle("/{tenant}/oauth2/v2.0/token", id.endpoint(Token, id.token))
	mux.Handle("/{tenant}/oauth2/v2.0/devicecode", id.endpoint(DeviceCode, id.deviceCode))
	mux.Handle("GET /{tenant}/v2.0/.well-known/openid-configuration", id.endpoint(Metadata, id.metadata))
	mux.Handle("GET /{tenant}/discovery/v2.0/keys", id.page(func(*http.Request) answer {
		return answer{contentType: contentJSON, body: []byte(`{"keys":[]}`)}
	}))
	mux.Handle("GET /{tenant}/oauth2/v2.0/logout", id.page(func(*http.Request) answer {
		return htmlPage(http.StatusOK, messagePage, "You signed out of your account.")
	}))
	mux.Handle("GET /common/oauth2/nativeclient", id.page(func(*http.Request) answer {
		return answer{contentType: contentHTML} // blank: the code is in the address bar, for pasting
	}))
	mux.Handle("POST /{tenant}/login", id.page(id.signInForm))
	mux.Handle("POST /{tenant}/consent", id.page(id.consentForm))
	mux.Handle("GET /devicelogin", id.page(id.devicePage))
	mux.Handle("POST /devicelogin", id.page(id.deviceForm))
	return mux
}

// enter counts a request in; false when the server is closing. Who entered calls running.Done.
func (id *Identity) enter() bool {
	id.mu.Lock()
	defer id.mu.Unlock()
	if id.closed {
		return false
	}
	id.running.Add(1)
	return true
}

func (id *Identity) close() error {
	id.mu.Lock()
	id.closed = true
	id.mu.Unlock()
	close(id.closing)
	err := id.server.Close()
	id.running.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// whenExpired registers who is told of access tokens that ExpireAccess ended early.
func (id *Identity) whenExpired(tell func(map[*accessToken]bool)) {
	id.mu.Lock()
	defer id.mu.Unlock()
	id.expired = tell
}

// URL is the base of every endpoint, https://127.0.0.1:PORT; https://localhost:PORT answers too.
func (id *Identity) URL() string { return id.base }

// AuthorizeURL is the authorization endpoint of a tenant: "common", "consumers", a GUID, or a placeholder such as
// "{tenant}", which is kept as it is.
func (id *Identity) AuthorizeURL(tenant string) string {
	return id.base + "/" + tenant + "/oauth2/v2.0/authorize"
}

// TokenURL is the token endpoint of a tenant.
func (id *Identity) TokenURL(tenant string) string {
	return id.base + "/" + tenant + "/oauth2/v2.0/token"
}

// DeviceURL is the device authorization endpoint of a tenant.
func (id *Identity) DeviceURL(tenant string) string {
	return id.base + "/" + tenant + "/oauth2/v2.0/devicecode"
}

// MetadataURL is the OpenID Connect discovery document of a tenant.
func (id *Identity) MetadataURL(tenant string) string {
	return id.base + "/" + tenant + "/v2.0/.well-known/openid-configuration"
}

// userLocked finds a person by address, without case.
func (id *Identity) userLocked(address string) *User {
	address = strings.ToLower(strings.TrimSpace(address))
	if i := slices.IndexFunc(id.people, func(u *User) bool { return u.Address == address }); i >= 0 {
		return id.people[i]
	}
	return nil
}

// approverLocked is who signs in without a form under AutoApprove.
func (id *Identity) approverLocked(hint, tenant string) *User {
	if user := id.userLocked(hint); user != nil {
		return user
	}
	for _, user := range id.people {
		if user.Password != "" && fitsTenant(user, tenant) {
			return user
		}
	}
	return id.people[0]
}
