package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// chromium is one tab of a browser with a profile of its own.
type chromium struct {
	t   *testing.T
	ctx context.Context

	mu        sync.Mutex
	complaint []string // of the console: scripts' errors, and what a content security policy blocked
	asked     []string // every address that was asked for
}

func startChromium(t *testing.T) *chromium {
	t.Helper()
	needServers(t)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(lab.browser),
		// A name that leads to this machine, as a page that does DNS rebinding makes one.
		chromedp.Flag("host-resolver-rules", "MAP rebound.example 127.0.0.1"))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	c := &chromium{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, func(event any) {
		c.mu.Lock()
		defer c.mu.Unlock()
		switch e := event.(type) {
		case *log.EventEntryAdded:
			c.complaint = append(c.complaint, e.Entry.Text+" "+e.Entry.URL)
		case *runtime.EventExceptionThrown:
			c.complaint = append(c.complaint, e.ExceptionDetails.Error())
		case *network.EventRequestWillBeSent:
			c.asked = append(c.asked, e.Request.URL)
		}
	})
	if err := chromedp.Run(ctx, network.Enable(), log.Enable()); err != nil { // the browser ends with the context of the first Run
		t.Fatal(err)
	}
	return c
}

func (c *chromium) do(actions ...chromedp.Action) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		c.t.Fatalf("%v\n%s", err, c.text())
	}
}

func (c *chromium) open(url string) { c.t.Helper(); c.do(chromedp.Navigate(url)) }

// press clicks what the selector finds, as a person does, who waits until it is there.
func (c *chromium) press(selector string) {
	c.t.Helper()
	c.do(chromedp.Click(selector, chromedp.ByQuery, chromedp.NodeVisible))
}

// submit clicks what leads to another page, and waits for that: until then the old one still answers.
func (c *chromium) submit(selector string) {
	c.t.Helper()
	c.evaluate(`document.old = true`, nil)
	c.press(selector)
	eventually(c.t, patience, "another page after "+selector, func() bool {
		ctx, cancel := context.WithTimeout(c.ctx, patience)
		defer cancel()
		var there bool
		err := chromedp.Run(ctx, chromedp.Evaluate(`!document.old && document.readyState === "complete"`, &there))
		return err == nil && there
	})
}

func (c *chromium) see(text string) {
	c.t.Helper()
	seen := ""
	defer func() {
		if c.t.Failed() && !strings.Contains(seen, text) {
			c.t.Logf("the page says:\n%s", seen)
		}
	}()
	eventually(c.t, patience, fmt.Sprintf("the page shows %q", text), func() bool {
		seen = c.text()
		return strings.Contains(seen, text)
	})
}

// text is what a person can read; "" while the page changes.
func (c *chromium) text() string {
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	var text string
	chromedp.Run(ctx, chromedp.Evaluate(`document.body ? document.body.innerText : ""`, &text))
	return text
}

func (c *chromium) evaluate(script string, into any) {
	c.t.Helper()
	c.do(chromedp.Evaluate(script, into))
}

// look is one way to show a page.
type look struct {
	theme string
	width int64
}

var looks = []look{{"light", 1100}, {"dark", 1100}, {"light", 360}, {"dark", 360}}

func (c *chromium) as(l look) {
	c.t.Helper()
	c.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: l.theme}}),
		emulation.SetDeviceMetricsOverride(l.width, 800, 1, l.width < 500))
}

// picture keeps a screenshot where a person can look at it, if LAB_PICTURES says where.
func (c *chromium) picture(name string, l look) {
	c.t.Helper()
	dir := os.Getenv("LAB_PICTURES")
	if dir == "" {
		return
	}
	var png []byte
	c.do(chromedp.FullScreenshot(&png, 100))
	if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s-%d.png", name, l.theme, l.width)), png, 0o600); err != nil {
		c.t.Error(err)
	}
}

// faint lists the texts whose colour is too near to what they stand on: WCAG 2.2, 1.4.3, wants 4.5:1.
const faint = `(() => {
  const parse = (s) => { const n = s.match(/[\d.]+/g).map(Number); return n.length > 3 ? n : [...n, 1]; };
  const light = ([r, g, b]) => { const f = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
  const behind = (el) => { for (; el; el = el.parentElement) { const c = parse(getComputedStyle(el).backgroundColor); if (c[3] === 1) return c; }
    return [255, 255, 255, 1]; };
  const found = new Set();
  let seen = 0;
  const check = (el, text, colour) => {
    const [a, b] = [light(parse(colour)), light(behind(el))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    seen++;
    if (ratio < 4.5) found.add(ratio.toFixed(2) + " " + text.trim().slice(0, 40));
  };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let n; (n = walk.nextNode());) {
    const el = n.parentElement;
    if (n.data.trim() && el.checkVisibility() && el.tagName !== "NOSCRIPT") check(el, n.data, getComputedStyle(el).color);
  }
  for (const el of document.querySelectorAll("input,select")) {
    check(el, el.id, getComputedStyle(el).color);
    check(el, el.id + " placeholder", getComputedStyle(el, "::placeholder").color);
  }
  if (seen < 3) found.add("only " + seen + " texts");
  return [...found];
})()`

// unseenFocus goes through the page with the tabulator key and lists what does not show that it has the focus.
func (c *chromium) unseenFocus() (unseen []string, stops int) {
	c.t.Helper()
	c.evaluate(`document.activeElement?.blur(); window.scrollTo(0, 0); document.querySelectorAll("[data-stop]").forEach((e) => delete e.dataset.stop)`, nil)
	for range 60 {
		c.do(chromedp.KeyEvent("\t"))
		var at struct {
			Name string
			Seen bool
			Old  bool
		}
		c.evaluate(`(() => { const e = document.activeElement, s = getComputedStyle(e), old = e === document.body || "stop" in e.dataset; e.dataset.stop = "";
			return {Name: e.tagName + " " + e.textContent.trim().slice(0, 30), Old: old, Seen: s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2}; })()`, &at)
		if at.Old {
			return unseen, stops
		}
		stops++
		if !at.Seen {
			unseen = append(unseen, at.Name)
		}
	}
	return unseen, stops
}

// checkLooks looks at the page that is shown in every way there is.
func (c *chromium) checkLooks(name string) {
	c.t.Helper()
	for _, l := range looks {
		c.as(l)
		var weak []string
		c.evaluate(faint, &weak)
		if len(weak) > 0 {
			c.t.Errorf("%s, %v: contrast %q", name, l, weak)
		}
		var wide int64
		c.evaluate(`document.documentElement.scrollWidth`, &wide)
		if wide > l.width {
			c.t.Errorf("%s, %v: %d wide", name, l, wide)
		}
		c.picture(name, l)
	}
	c.as(looks[0])
}
