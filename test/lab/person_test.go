package lab

import (
	"encoding/json"
	"errors"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
)

// person is somebody at a browser: keeps cookies, follows every redirect, fills in the forms of
// oidc/server.mjs.
type person struct {
	email  string
	cancel bool // presses Cancel on the sign-in page
	http   *http.Client
}

func newPerson(email string) *person {
	client := trusting()
	client.Jar, _ = cookiejar.New(nil) // never fails without options
	return &person{email: email, http: client}
}

func (p *person) password() (string, error) {
	b, err := os.ReadFile("oidc/users.json")
	if err != nil {
		return "", err
	}
	var users map[string]struct{ Password string }
	if err := json.Unmarshal(b, &users); err != nil {
		return "", err
	}
	return users[p.email].Password, nil
}

var (
	formTag   = regexp.MustCompile(`(?s)<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>`)
	inputTag  = regexp.MustCompile(`<input[^>]*>`)
	nameAttr  = regexp.MustCompile(`\bname="([^"]*)"`)
	valueAttr = regexp.MustCompile(`\bvalue="([^"]*)"`)
	cancelTag = regexp.MustCompile(`<a href="([^"]*/cancel)"`)
)

func attribute(re *regexp.Regexp, tag string) string {
	if m := re.FindStringSubmatch(tag); m != nil {
		return html.UnescapeString(m[1])
	}
	return ""
}

// visit opens a link and goes on until there is nothing more to fill in: at a page that is not the
// server's (where the last redirect led), or at one without a form. userCode is typed where asked for.
func (p *person) visit(link, userCode string) (status int, at *url.URL, page string, err error) {
	password, err := p.password()
	if err != nil {
		return 0, nil, "", err
	}
	res, err := p.http.Get(link)
	for range 12 {
		if err != nil {
			return 0, nil, "", err
		}
		body, err2 := io.ReadAll(res.Body)
		res.Body.Close()
		if err2 != nil {
			return 0, nil, "", err2
		}
		status, at, page = res.StatusCode, res.Request.URL, string(body)
		form := formTag.FindStringSubmatch(page)
		if !strings.HasPrefix(at.String(), lab.oidc) || form == nil {
			return status, at, page, nil
		}
		if strings.Contains(page, `class="error"`) {
			return status, at, page, errors.New("the page complains: " + page)
		}
		if m := cancelTag.FindStringSubmatch(page); p.cancel && m != nil {
			res, err = p.http.Get(lab.oidc + m[1])
			continue
		}
		fields := url.Values{}
		for _, tag := range inputTag.FindAllString(form[2], -1) {
			switch name := attribute(nameAttr, tag); name {
			case "":
			case "login":
				fields.Set(name, p.email)
			case "password":
				fields.Set(name, password)
			case "user_code":
				fields.Set(name, attribute(valueAttr, tag))
				if fields.Get(name) == "" {
					fields.Set(name, userCode)
				}
			default:
				fields.Set(name, attribute(valueAttr, tag))
			}
		}
		action, err2 := at.Parse(html.UnescapeString(form[1]))
		if err2 != nil {
			return status, at, page, err2
		}
		res, err = p.http.PostForm(action.String(), fields)
	}
	return status, at, page, errors.New("too many pages")
}
