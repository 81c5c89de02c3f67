package emulator

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const grantDevice = "urn:ietf:params:oauth:grant-type:device_code"

// device is one device authorization, RFC 8628.
type device struct {
	code, userCode string
	tenant         string
	client         *Client
	scopes         scopes
	expires        time.Time
	pending        int // polls that hear authorization_pending whatever the person did
	user           *User
	declined, used bool
	polls          []time.Time
}

func (d *device) approve(user *User) { d.user = user }

// deviceAnswer is Microsoft's: there is no verification_uri_complete.
type deviceAnswer struct {
	UserCode        string `json:"user_code"`
	DeviceCode      string `json:"device_code"`
	VerificationURI string `json:"verification_uri"`
	ExpiresIn       int    `json:"expires_in"`
	Interval        int    `json:"interval"`
	Message         string `json:"message"`
}

// deviceCode is the device authorization endpoint.
func (id *Identity) deviceCode(r *http.Request, f Fault) answer {
	if refused := f.refusal(); refused != nil {
		return id.errorAnswer(refused)
	}
	if r.Method != http.MethodPost {
		return id.errorAnswer(refuse(900561))
	}
	id.mu.Lock()
	defer id.mu.Unlock()
	client := id.clients[r.Form.Get("client_id")]
	if client == nil {
		return id.errorAnswer(refuse(700016))
	}
	if !client.public() {
		return id.errorAnswer(refuse(7000218))
	}
	list, refused := parseScopes(r.Form.Get("scope"))
	if refused == nil && isConsumers(r.PathValue("tenant")) && len(list.audiences()) > 1 {
		refused = refuse(70011)
	}
	if refused != nil {
		return id.errorAnswer(refused)
	}
	d := &device{
		code:     newSecret("DAQABAAEAAAD"),
		userCode: rand.Text()[:9],
		tenant:   r.PathValue("tenant"),
		client:   client,
		scopes:   list,
		expires:  time.Now().Add(id.policy.deviceLife()),
		pending:  id.policy.DevicePending,
	}
	id.devices[d.code] = d
	page := id.base + "/devicelogin"
	return jsonAnswer(http.StatusOK, deviceAnswer{
		UserCode:        d.userCode,
		DeviceCode:      d.code,
		VerificationURI: page,
		ExpiresIn:       int(id.policy.deviceLife().Seconds()),
		Interval:        max(1, int(id.policy.deviceInterval().Seconds())),
		Message: fmt.Sprintf("To sign in, use a web browser to open the page %s and enter the code %s to authenticate.",
			page, d.userCode),
	})
}

// deviceGrantLocked answers one poll of the token endpoint.
func (id *Identity) deviceGrantLocked(form url.Values, tenant string, client *Client) (issue, *refusal) {
	d := id.devices[form.Get("device_code")]
	if d == nil || d.client != client || d.used {
		return issue{}, refuse(70018)
	}
	now := time.Now()
	early := len(d.polls) > 0 && now.Sub(d.polls[len(d.polls)-1]) < id.policy.deviceInterval()
	d.polls = append(d.polls, now)
	switch {
	case d.tenant != tenant:
		return issue{}, refuse(700005)
	case now.After(d.expires):
		return issue{}, refuse(70020)
	case early && id.policy.SlowDown:
		return issue{}, refuse(70016, "OAuth 2.0 device flow error. Polling is too frequent.").with("slow_down")
	case d.declined && id.policy.AccessDenied:
		return issue{}, refuse(65004)
	case d.declined:
		return issue{}, refuse(65004).with("authorization_declined")
	case d.pending > 0:
		d.pending--
		return issue{}, refuse(70016)
	}
	if d.user == nil && id.policy.AutoApprove {
		d.user = id.approverLocked("", tenant)
	}
	if d.user == nil {
		return issue{}, refuse(70016)
	}
	d.used = true
	return issue{user: d.user, client: client, granted: d.scopes, asked: d.scopes}, nil
}

// devicePage is where the person types the code.
func (id *Identity) devicePage(*http.Request) answer {
	return htmlPage(http.StatusOK, devicePage, pageData{Action: "/devicelogin"})
}

func (id *Identity) deviceForm(r *http.Request) answer {
	id.mu.Lock()
	defer id.mu.Unlock()
	d := id.deviceLocked(r.Form.Get("otc"))
	if d == nil {
		return htmlPage(http.StatusOK, devicePage, pageData{
			Action: "/devicelogin",
			Error:  "That code did not work. Check the code and try again.",
		})
	}
	s := &signIn{
		id:      newSecret(""),
		tenant:  d.tenant,
		client:  d.client,
		scopes:  d.scopes,
		device:  d,
		expires: d.expires,
	}
	id.signIns[s.id] = s
	return s.askSignIn("")
}

// deviceLocked finds a code that still waits for its person.
func (id *Identity) deviceLocked(userCode string) *device {
	userCode = strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(userCode))
	for _, d := range id.devices {
		if d.userCode == userCode && d.user == nil && !d.declined && time.Now().Before(d.expires) {
			return d
		}
	}
	return nil
}

// EnterCode is a person who typed the device code, signed in and accepted.
func (id *Identity) EnterCode(userCode, address string) error {
	id.mu.Lock()
	defer id.mu.Unlock()
	d, user := id.deviceLocked(userCode), id.userLocked(address)
	switch {
	case d == nil:
		return fmt.Errorf("emulator: no device waits for the code %q", userCode)
	case user == nil:
		return fmt.Errorf("emulator: no user %q", address)
	case !fitsTenant(user, d.tenant):
		return fmt.Errorf("emulator: %s can not sign in at tenant %q", address, d.tenant)
	}
	d.approve(user)
	return nil
}

// DeclineCode is a person who typed the device code and refused.
func (id *Identity) DeclineCode(userCode string) error {
	id.mu.Lock()
	defer id.mu.Unlock()
	d := id.deviceLocked(userCode)
	if d == nil {
		return fmt.Errorf("emulator: no device waits for the code %q", userCode)
	}
	d.declined = true
	return nil
}

// Polls is when a device code was polled, in order.
func (id *Identity) Polls(deviceCode string) []time.Time {
	id.mu.Lock()
	defer id.mu.Unlock()
	if d := id.devices[deviceCode]; d != nil {
		return slices.Clone(d.polls)
	}
	return nil
}
