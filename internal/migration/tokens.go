package migration

import (
	"encoding/json"
	"fmt"
	"strings"

	"postern/internal/store"
)

// tokenFile has the members of mutt_oauth2.py's token file and of oama's stored record.
type tokenFile struct {
	Registration string          `json:"registration"` // mutt_oauth2.py
	AuthFlow     string          `json:"authflow"`
	Service      string          `json:"service"` // oama
	ExpDate      string          `json:"exp_date"`
	Scope        string          `json:"scope"`
	Email        json.RawMessage `json:"email"` // a text; {"unEmailAddress": …} in oama's
	AccessToken  string          `json:"access_token"`
	RefreshToken string          `json:"refresh_token"`
	ClientID     string          `json:"client_id"`
	ClientSecret string          `json:"client_secret"`
	Tenant       string          `json:"tenant"`
}

func parseTokenFile(text string) (t tokenFile, ok bool) {
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		return t, false
	}
	return t, json.Unmarshal([]byte(text), &t) == nil
}

func (t tokenFile) email() string {
	var plain string
	if json.Unmarshal(t.Email, &plain) == nil {
		return strings.ToLower(plain)
	}
	var wrapped struct{ UnEmailAddress string }
	json.Unmarshal(t.Email, &wrapped)
	return strings.ToLower(wrapped.UnEmailAddress)
}

func isMuttToken(text string) bool {
	t, ok := parseTokenFile(text)
	return ok && t.Registration != ""
}

// readMuttToken follows mutt_oauth2.py, whose client id is in the script and not in the token file.
func readMuttToken(text string) (*Settings, error) {
	t, _ := parseTokenFile(text)
	a := t.account(t.Registration)
	switch t.AuthFlow {
	case "devicecode":
		a.Flow = "device"
	case "", "authcode", "localhostauthcode":
	default:
		a.Broken = fmt.Sprintf("authflow %q is unknown", t.AuthFlow)
	}
	return &Settings{Accounts: []Account{a}}, nil
}

func isOamaToken(text string) bool {
	t, ok := parseTokenFile(text)
	return ok && t.Registration == "" && len(t.Email) > 0 && (t.RefreshToken != "" || t.ExpDate != "")
}

func readOamaToken(text string) (*Settings, error) {
	t, _ := parseTokenFile(text)
	a := t.account(t.Service)
	a.Scopes = strings.Fields(t.Scope)
	return &Settings{Accounts: []Account{a}}, nil
}

func (t tokenFile) account(service string) Account {
	a := Account{Email: t.email(), Service: strings.ToLower(service), ClientID: t.ClientID, ClientSecret: store.NewSecret(t.ClientSecret),
		Tenant: t.Tenant, Flow: "browser", Refresh: store.NewSecret(t.RefreshToken)}
	if t.AccessToken != "" {
		a.left("access_token", "it lives for an hour at most; the refresh token brings another")
	}
	if t.RefreshToken == "" {
		a.left("refresh_token", "there is none: sign in once more")
	}
	return a
}
