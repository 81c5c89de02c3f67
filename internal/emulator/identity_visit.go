package emulator

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// Person is who sits before the browser that Visit plays.
type Person struct {
	Address  string // "" = the first of Options.Users
	Password string // "" = the right one
	Cancel   bool   // declines on the consent page
}

var (
	formAction  = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
	formFlow    = regexp.MustCompile(`name="flow" value="([^"]*)"`)
	pageProblem = regexp.MustCompile(`<p class="error">([^<]*)</p>`)
)

// Visit plays a person's browser: it opens an authorize URL, signs in and accepts (or cancels), and returns where
// the browser is sent at the end, without going there. A page that ends the way is an error with its text.
func (id *Identity) Visit(ctx context.Context, authorizeURL string, p Person) (*url.URL, error) {
	if p.Address == "" || p.Password == "" {
		p = id.completed(p)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: id.roots}}
	defer transport.CloseIdleConnections()
	browser := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, authorizeURL, nil)
	if err != nil {
		return nil, fmt.Errorf("emulator: visit: %w", err)
	}
	for range 4 { // sign-in page, consent page, redirect, and one to spare
		page, to, err := browse(browser, req)
		if err != nil || to != nil {
			return to, err
		}
		if problem := pageProblem.FindStringSubmatch(page); problem != nil {
			return nil, fmt.Errorf("emulator: visit: the page says: %s", html.UnescapeString(problem[1]))
		}
		if req, err = p.fillIn(ctx, req.URL, page); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("emulator: visit: the pages do not end")
}

func browse(browser *http.Client, req *http.Request) (page string, to *url.URL, err error) {
	resp, err := browser.Do(req)
	if err != nil {
		return "", nil, fmt.Errorf("emulator: visit: %w", err)
	}
	defer resp.Body.Close()
	if to, err = resp.Location(); err == nil {
		return "", to, nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", nil, fmt.Errorf("emulator: visit: %w", err)
	}
	return string(body), nil, nil
}

// fillIn answers the form of a page.
func (p Person) fillIn(ctx context.Context, at *url.URL, page string) (*http.Request, error) {
	action, flow := formAction.FindStringSubmatch(page), formFlow.FindStringSubmatch(page)
	if action == nil || flow == nil {
		return nil, errors.New("emulator: visit: the page has no form to fill in")
	}
	v := url.Values{"flow": {html.UnescapeString(flow[1])}}
	switch {
	case strings.Contains(page, `name="passwd"`):
		v.Set("login", p.Address)
		v.Set("passwd", p.Password)
	case p.Cancel:
		v.Set("cancel", "1")
	default:
		v.Set("accept", "1")
	}
	to, err := at.Parse(html.UnescapeString(action[1]))
	if err != nil {
		return nil, fmt.Errorf("emulator: visit: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), strings.NewReader(v.Encode()))
	if err != nil {
		return nil, fmt.Errorf("emulator: visit: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req, nil
}

func (id *Identity) completed(p Person) Person {
	id.mu.Lock()
	defer id.mu.Unlock()
	user := id.people[0]
	if p.Address != "" {
		user = id.userLocked(p.Address)
	} else {
		p.Address = user.Address
	}
	if user != nil && p.Password == "" {
		p.Password = user.Password
	}
	return p
}
