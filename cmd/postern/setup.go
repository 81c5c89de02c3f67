package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"unicode"

	"postern/auth"
	"postern/internal/store"
)

func setupFlags(f *flag.FlagSet, o *options) {
	f.StringVar(&o.provider, "provider", "", "the mail provider; found by the address when not given")
	f.StringVar(&o.clientID, "client-id", "", "the `ID` of your app registration (docs/microsoft.md)")
	f.StringVar(&o.tenant, "tenant", "", "directory to sign in to, when the provider's default is not yours")
	f.StringVar(&o.label, "label", "", "which program the local password is for")
	f.StringVar(&o.forClient, "client", "", "the mail program to print settings for")
	f.StringVar(&o.key, "key", "", "`PLACE` of the key that protects the tokens: file, keyring or credential")
	f.BoolVar(&o.send, "send", false, "send mail as well: opens SMTP in the configuration if it is off")
	f.BoolVar(&o.device, "device", false, "sign in on another device")
	f.BoolVar(&o.noBrowser, "no-browser", false, "do not open a browser")
	f.BoolVar(&o.yes, "yes", false, "ask nothing: take the usual answer to every question")
}

// setup is one run of the dialogue. All questions come before the sign-in, because the sign-in reads from
// standard input too, and a person who waits at a browser should not be waited for.
type setup struct {
	*app
	m       *auth.Manager
	asks    bool
	account auth.Account
	known   bool // the account was there before
	label   string
	sends   bool            // mail is to be sent as well
	another bool            // a local password is to be made
	secret  auth.Secret     // that password, once it is made
	key     store.KeySource // where it is to be; nil = where it is, or where it usually is
}

func runSetup(ctx context.Context, a *app, args []string) error {
	if len(args) > 1 {
		return usageError("", "unexpected argument %q", args[1])
	}
	if _, err := a.config(); err != nil {
		return err
	}
	s := &setup{app: a, asks: a.ui.canAsk() && !a.o.yes}
	err := s.keyFlag(ctx)
	if err == nil {
		s.m, err = a.accounts()
	}
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{
		func(ctx context.Context) error { return s.address(ctx, args) },
		s.settings, s.localPassword, s.askSending, s.askKey, s.save, s.openSMTP, s.signIn, s.results,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// missing is what a question becomes where nobody can be asked.
func missing(flag, what string) error {
	return usageError("postern setup EMAIL --client-id ID [--provider P]", "%s is missing: give %s (without a terminal, or with --yes, nothing is asked)", what, flag)
}

func (s *setup) address(ctx context.Context, args []string) error {
	email := strings.Join(args, "")
	if email == "" {
		if !s.asks {
			return missing("EMAIL", "the address of the mailbox")
		}
		var usual string
		if all, err := s.m.Accounts(ctx); err == nil && len(all) == 1 {
			usual = all[0].Email
		}
		answer, err := s.ui.ask(ctx, "address of the mailbox", usual, checkAddress)
		if err != nil {
			return err
		}
		email = answer
	}
	if err := checkAddress(email); err != nil {
		return usageError("ann@example.com", "%w", err)
	}
	account, err := s.m.Account(ctx, email)
	switch {
	case err == nil:
		s.account, s.known = account, true
		s.ui.say("%s is set up already, with provider %s: kept", account.Email, account.Provider.Name)
	case errors.Is(err, auth.ErrUnknownAccount):
		s.account.Email = email
	default:
		return err
	}
	return nil
}

func checkAddress(email string) error {
	local, domain, ok := strings.Cut(email, "@")
	unfit := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }
	if !ok || local == "" || domain == "" || strings.ContainsFunc(email, unfit) {
		return fmt.Errorf("%q is no mail address", email)
	}
	return nil
}

// settings finds provider and app. For an account that is there it only takes what the flags say.
func (s *setup) settings(ctx context.Context) error {
	if s.known {
		return nil
	}
	name, err := s.provider(ctx)
	if err != nil {
		return err
	}
	s.account.Provider, s.account.Tenant = s.providers()[name], s.o.tenant
	if s.o.clientID != "" || !s.asks {
		if s.o.clientID == "" {
			s.ui.say("%s", explainClientID(s.account.Provider))
			return missing("--client-id ID", "the client id")
		}
		if err := checkClientID(name, s.o.clientID); err != nil {
			return usageError("docs/microsoft.md says how to get one", "--client-id: %w", err)
		}
		s.account.ClientID = s.o.clientID
		return nil
	}
	return s.askClientID(ctx)
}

// providers are the built-in ones and those of the configuration; of these only the name is known here.
func (s *setup) providers() map[string]auth.Provider {
	all := auth.BuiltIn()
	for name := range s.cfg.Provider {
		if _, ok := all[name]; !ok {
			all[name] = auth.Provider{Name: name}
		}
	}
	return all
}

func (s *setup) provider(ctx context.Context) (string, error) {
	all := s.providers()
	isKnown := func(name string) error {
		if _, ok := all[name]; !ok {
			return fmt.Errorf("no such provider %q: one of %s", name, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
		}
		return nil
	}
	if s.o.provider != "" {
		if err := isKnown(s.o.provider); err != nil {
			return "", usageError("leave --provider away to have it found by the address", "--provider: %w", err)
		}
		return s.o.provider, nil
	}
	found := findProvider(ctx, s.account.Email, net.DefaultResolver.LookupMX)
	switch {
	case found.why != "":
		s.ui.say("provider: %s (%s)", found.name, found.why)
	case !s.asks:
		return "", missing("--provider P", "the provider (nothing tells where the mail of "+s.account.Email+" is)")
	default:
		s.ui.say("nothing tells where the mail of %s is; the providers are:\n  %s", s.account.Email, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
		return s.ui.ask(ctx, "provider", found.name, isKnown)
	}
	return found.name, nil
}

func (s *setup) askClientID(ctx context.Context) error {
	p := s.account.Provider
	s.ui.say("\n%s", explainClientID(p))
	isWork := isMicrosoft(p.Name) && p.Name != "outlook"
	question := "client id"
	if isWork {
		question = `client id, or "admin"`
	}
	id, err := s.ui.ask(ctx, question, "", func(id string) error {
		if isWork && id == "admin" {
			return nil
		}
		return checkClientID(p.Name, id)
	})
	if err != nil {
		return err
	}
	if isWork && id == "admin" {
		s.ui.say("\nsend this to your administrator:\n")
		s.ui.print("%s", letterToAdmin(p, s.account.Email, s.account.Tenant, ""))
		return failed(errors.New("the client id is not there yet"), "when you have it, run postern setup "+s.account.Email+" again")
	}
	s.account.ClientID = id
	if isWork && s.account.Tenant == "" {
		s.account.Tenant, err = s.ui.ask(ctx, "tenant id, if the app is registered for one organisation only (Enter: any)", "", nil)
	}
	return err
}

// localPassword decides whether one is made. An existing one is never touched, and shown never again.
func (s *setup) localPassword(ctx context.Context) error {
	if s.o.forClient == "" && s.asks {
		name, err := s.ui.ask(ctx, "mail program (thunderbird, mutt, ...; Enter: any)", "", checkClient)
		if err != nil {
			return err
		}
		s.o.forClient = strings.ToLower(name)
	}
	if err := checkClient(s.o.forClient); err != nil {
		return err
	}
	s.label = orElse(s.o.label, s.o.forClient)
	if !s.known {
		s.another = true
		return nil
	}
	passwords, err := s.m.Passwords(ctx, s.account.Email)
	if err != nil {
		return err
	}
	isThere := len(passwords) > 0 || s.account.PasswordHash != ""
	hasLabel := slices.ContainsFunc(passwords, func(p auth.PasswordInfo) bool { return p.Label == s.label })
	switch {
	case !isThere, s.o.label != "" && !hasLabel:
		s.another = true
	case hasLabel, !s.asks:
		s.ui.say("local passwords: kept, %d", max(len(passwords), 1))
	default:
		s.another, err = s.ui.confirm(ctx, fmt.Sprintf("%s has %s already; make another", s.account.Email, count(max(len(passwords), 1), "local password")))
	}
	return err
}

func checkClient(name string) error {
	if name == "" {
		return nil
	}
	_, err := findClient(name)
	return err
}

// save adds the account, or gives one that was never signed in what the flags correct.
func (s *setup) save(ctx context.Context) error {
	want := s.account
	if s.known {
		want.ClientID = orElse(s.o.clientID, want.ClientID)
		want.Tenant = orElse(s.o.tenant, want.Tenant)
		want.Provider.Name = orElse(s.o.provider, want.Provider.Name)
		if want.ClientID == s.account.ClientID && want.Tenant == s.account.Tenant && want.Provider.Name == s.account.Provider.Name {
			return s.chooseKey(ctx)
		}
		if err := checkClientID(want.Provider.Name, want.ClientID); err != nil {
			return usageError("docs/microsoft.md says how to get one", "--client-id: %w", err)
		}
	}
	if err := s.m.CheckAccount(want); err != nil {
		return err
	}
	if err := s.chooseKey(ctx); err != nil {
		return err
	}
	if err := s.m.AddAccount(ctx, want); err != nil {
		return err
	}
	account, err := s.m.Account(ctx, want.Email)
	if err != nil {
		return err
	}
	s.account = account
	s.ui.say("account %s saved, with provider %s", account.Email, account.Provider.Name)
	return nil
}

// signIn keeps a sign-in that works. One that can not be tried just now is kept too.
func (s *setup) signIn(ctx context.Context) error {
	token, err := s.m.Token(ctx, s.account.Email)
	p, ok := errors.AsType[*auth.Problem](err)
	switch {
	case err == nil && s.isFor(token):
		s.ui.say("signed in already: kept")
		return nil
	case err == nil:
		s.ui.say("signed in for reading so far: to send as well, sign in once more")
	case ok && p.Class == auth.Retry:
		s.ui.say("the sign-in can not be tried just now (%v): kept", p)
		return nil
	case !ok || p.Class != auth.SignIn:
		return err
	}
	s.sayAboutConsent()
	switch {
	case s.account.Flow == auth.FlowClientCredentials:
		err = s.m.SignInApp(ctx, s.account.Email)
	case s.o.device || s.account.Flow == auth.FlowDevice && !s.o.noBrowser:
		err = s.loginByDevice(ctx, s.m, s.account)
	default:
		err = s.loginByBrowser(ctx, s.m, s.account)
	}
	if err != nil {
		s.ui.say("the account is kept: when this is mended, run postern setup %s again", s.account.Email)
		return fmt.Errorf("sign in %s: %w", s.account.Email, err)
	}
	s.ui.say("signed in: %s", s.account.Email)
	return nil
}

// sayAboutConsent comes before the sign-in: a refused one ends on the provider's page and never comes back here.
func (s *setup) sayAboutConsent() {
	p := s.account.Provider
	if !isMicrosoft(p.Name) || p.Name == "outlook" {
		return
	}
	s.ui.say("if the sign-in ends at \"Need admin approval\", press Ctrl-C here and send this to your administrator:\n\n%s",
		letterToAdmin(p, s.account.Email, s.account.Tenant, s.account.ClientID))
}
