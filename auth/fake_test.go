package auth

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/store"
)

const (
	ann      = "ann@example.com"
	imapAll  = "https://outlook.office.com/IMAP.AccessAsUser.All"
	clientID = "11111111-2222-3333-4444-555555555555"
)

// fakeIdentity stands in for an identity platform, behind a socket or as a RoundTripper. It rotates refresh
// tokens and knows every secret that it gave out.
type fakeIdentity struct {
	mu       sync.Mutex
	requests []url.Values
	queue    []fakeAnswer // what the next requests get; then the usual
	usual    func(url.Values) fakeAnswer
	issued   int
	signer   string        // address in id_tokens
	entered  chan struct{} // when set, gets a value when a request comes
	release  chan struct{} // when set, a request waits for a value
	secrets  []string
}

type fakeAnswer struct {
	status int // 0 = 200
	header map[string]string
	body   string
	err    error // of the transport
}

func newFakeIdentity() *fakeIdentity {
	f := &fakeIdentity{signer: ann}
	f.usual = f.grant
	return f
}

func (f *fakeIdentity) then(answers ...fakeAnswer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue = append(f.queue, answers...)
}

func (f *fakeIdentity) count(grant string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, r := range f.requests {
		if grant == "" || r.Get("grant_type") == grant {
			n++
		}
	}
	return n
}

func (f *fakeIdentity) last() url.Values {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests[len(f.requests)-1]
}

// reply is asJSON of the members of a good token answer, changed by with.
func (f *fakeIdentity) reply(with map[string]any) fakeAnswer {
	f.issued++
	access, refresh := fmt.Sprintf("access-%03d-secret", f.issued), fmt.Sprintf("refresh-%03d-secret", f.issued)
	f.secrets = append(f.secrets, access, refresh)
	members := map[string]any{
		"token_type": "Bearer", "access_token": access, "refresh_token": refresh, "expires_in": 3600,
		"scope": "https://outlook.office365.com/imap.accessasuser.all openid", "id_token": idToken(f.signer),
	}
	maps.Copy(members, with)
	for k, v := range members {
		if v == nil {
			delete(members, k)
		}
	}
	return asJSON(200, members)
}

// grant is the usual answer.
func (f *fakeIdentity) grant(form url.Values) fakeAnswer {
	if form.Get("grant_type") == "client_credentials" {
		return f.reply(map[string]any{"refresh_token": nil, "scope": nil, "id_token": nil})
	}
	return f.reply(nil)
}

func asJSON(status int, v any) fakeAnswer {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return fakeAnswer{status: status, body: string(b), header: map[string]string{"Content-Type": "application/json"}}
}

// oauthFailure is an error object as Microsoft writes it.
func oauthFailure(value string, codes ...int) fakeAnswer {
	v := map[string]any{"error": value, "trace_id": "trace-1", "correlation_id": "correlation-1"}
	if len(codes) > 0 {
		v["error_codes"] = codes
		v["error_description"] = fmt.Sprintf("AADSTS%d: text that must not matter.\r\nTrace ID: trace-1", codes[0])
	}
	return asJSON(400, v)
}

func idToken(address string) string {
	payload, _ := json.Marshal(map[string]any{"preferred_username": address, "name": "Ann"})
	return "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString(payload) + ".c2ln"
}

func (f *fakeIdentity) answer(form url.Values) fakeAnswer {
	f.mu.Lock()
	f.requests = append(f.requests, form)
	entered, release := f.entered, f.release
	f.mu.Unlock()
	if entered != nil {
		entered <- struct{}{}
	}
	if release != nil {
		<-release
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range []string{"refresh_token", "code", "code_verifier", "client_secret", "client_assertion", "device_code"} {
		if v := form.Get(k); v != "" {
			f.secrets = append(f.secrets, v)
		}
	}
	if len(f.queue) > 0 {
		a := f.queue[0]
		f.queue = f.queue[1:]
		return a
	}
	return f.usual(form)
}

func (f *fakeIdentity) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	a := f.answer(r.PostForm)
	for k, v := range a.header {
		w.Header().Set(k, v)
	}
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
	io.WriteString(w, a.body)
}

func (f *fakeIdentity) RoundTrip(r *http.Request) (*http.Response, error) {
	b, _ := io.ReadAll(r.Body)
	r.Body.Close()
	form, _ := url.ParseQuery(string(b))
	a := f.answer(form)
	if a.err != nil {
		return nil, a.err
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	for k, v := range a.header {
		w.Header().Set(k, v)
	}
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
	io.WriteString(w, a.body)
	return w.Result(), nil
}

// fakeProvider has endpoints that only the RoundTripper serves.
func fakeProvider() Provider {
	return Provider{
		AuthorizeURL: "https://login.test/{tenant}/oauth2/v2.0/authorize", TokenURL: "https://login.test/{tenant}/oauth2/v2.0/token",
		DeviceURL: "https://login.test/{tenant}/oauth2/v2.0/devicecode", Tenant: "common",
		Scopes: []string{imapAll, "offline_access"}, IMAP: "mail.test:993",
	}
}

func annAccount() Account {
	return Account{Email: ann, Provider: Provider{Name: "fake"}, ClientID: clientID}
}

// fixture is a Manager with one declared account, ann's.
type fixture struct {
	*Manager
	t     *testing.T
	id    *fakeIdentity
	store store.Store
	log   *lockedBuffer
}

type fixtureOptions struct {
	store   store.Store
	account *Account
	id      *fakeIdentity
}

func newFixture(t *testing.T, o fixtureOptions) *fixture {
	t.Helper()
	if o.store == nil {
		o.store = store.NewMemory()
	}
	if o.id == nil {
		o.id = newFakeIdentity()
	}
	account := annAccount()
	if o.account != nil {
		account = *o.account
	}
	buffer := &lockedBuffer{}
	m, err := New(Options{
		Store: o.store, Providers: map[string]Provider{"fake": fakeProvider()}, Declared: []Account{account},
		Log: slog.New(slog.NewTextHandler(buffer, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	m.endpoint.transport = o.id
	t.Cleanup(func() { m.Close() })
	return &fixture{Manager: m, t: t, id: o.id, store: o.store, log: buffer}
}

// signedIn puts tokens into the store whose access token has so long to live.
func (f *fixture) signedIn(left time.Duration) {
	f.t.Helper()
	f.put(store.Token{
		Access: NewSecret("first-access-secret"), Expiry: time.Now().Add(left), Refresh: NewSecret("first-refresh-secret"),
		Scopes: []string{imapAll, "offline_access"}, SignedInAs: ann, SignedInAt: time.Now().Add(-time.Hour),
	})
}

func (f *fixture) put(token store.Token) {
	f.t.Helper()
	err := f.store.Update(context.Background(), ann, func(r *store.Record) error {
		r.Token, r.Problem = &token, nil
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) record() store.Record {
	f.t.Helper()
	r, err := f.store.View(context.Background(), ann)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// get calls Token and wants this access token.
func (f *fixture) get(want string) {
	f.t.Helper()
	got, err := f.Token(context.Background(), ann)
	if err != nil {
		f.t.Fatalf("Token: %v", err)
	}
	if got.Access.Reveal() != want {
		f.t.Fatalf("access token %q; want %q", got.Access.Reveal(), want)
	}
}

// fails calls Token and wants a Problem of this class and code.
func (f *fixture) fails(class Class, code string) *Problem {
	f.t.Helper()
	got, err := f.Token(context.Background(), ann)
	if err == nil {
		f.t.Fatalf("got a token (%q); want %v %s", got.Access.Reveal(), class, code)
	}
	return wantProblem(f.t, err, class, code)
}

func wantProblem(t *testing.T, err error, class Class, code string) *Problem {
	t.Helper()
	p := asProblem(err)
	if p == nil {
		t.Fatalf("error %v; want a Problem", err)
	}
	if p.Class != class || p.Code != code || p.Say == "" || p.Cure == "" {
		t.Fatalf("problem %v %q, say %q, cure %q; want %v %q", p.Class, p.Code, p.Say, p.Cure, class, code)
	}
	return p
}

// lockedBuffer collects a log that several goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuffer) has(event string) bool { return strings.Contains(l.String(), event) }

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
