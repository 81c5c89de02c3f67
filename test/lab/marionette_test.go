package lab

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// marionette is a session with a Mozilla program's remote control. Each message is its length in decimal, a
// colon, and JSON: [0, number, command, parameters] and [1, number, error, result]
// (firefox-source-docs.mozilla.org/testing/marionette/Protocol.html).
type marionette struct {
	conn   net.Conn
	r      *bufio.Reader
	number int
}

func dialMarionette(t *testing.T, port string) *marionette {
	t.Helper()
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		t.Fatal(err)
	}
	m := &marionette{conn: conn, r: bufio.NewReader(conn)}
	var hello struct{ MarionetteProtocol int }
	if err := m.read(&hello); err != nil || hello.MarionetteProtocol != 3 {
		t.Fatalf("marionette says %+v, %v", hello, err)
	}
	m.must(t, "WebDriver:NewSession", nil, nil)
	// The program's own windows, and not the pages that they show.
	m.must(t, "Marionette:SetContext", map[string]any{"value": "chrome"}, nil)
	return m
}

func (m *marionette) read(into any) error {
	m.conn.SetReadDeadline(time.Now().Add(patience))
	length, err := m.r.ReadString(':')
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(length, ":"))
	if err != nil {
		return err
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(m.r, text); err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// do runs a command; result may be nil.
func (m *marionette) do(command string, parameters map[string]any, result any) error {
	if parameters == nil {
		parameters = map[string]any{}
	}
	m.number++
	text, err := json.Marshal([]any{0, m.number, command, parameters})
	if err != nil {
		return err
	}
	m.conn.SetWriteDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintf(m.conn, "%d:%s", len(text), text); err != nil {
		return err
	}
	var answer [4]json.RawMessage
	if err := m.read(&answer); err != nil {
		return err
	}
	var refused *struct{ Error, Message, Stacktrace string }
	if err := json.Unmarshal(answer[2], &refused); err != nil {
		return err
	}
	if refused != nil {
		return fmt.Errorf("%s: %s: %s\n%s", command, refused.Error, refused.Message, refused.Stacktrace)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(answer[3], result)
}

func (m *marionette) must(t *testing.T, command string, parameters map[string]any, result any) {
	t.Helper()
	if err := m.do(command, parameters, result); err != nil {
		t.Fatal(err)
	}
}

// script runs the text of a function with the program's own rights.
func (m *marionette) script(t *testing.T, text string, result any, arguments ...any) {
	t.Helper()
	if arguments == nil {
		arguments = []any{}
	}
	answer := struct{ Value any }{result}
	m.must(t, "WebDriver:ExecuteScript", map[string]any{"script": text, "args": arguments, "sandbox": "system"}, &answer)
}

// picture keeps a screenshot of the main window where a person can look at it, if LAB_PICTURES says where.
func (m *marionette) picture(t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("LAB_PICTURES")
	if dir == "" {
		return
	}
	var shot struct{ Value string }
	if err := m.do("WebDriver:TakeScreenshot", map[string]any{"full": false}, &shot); err != nil {
		t.Error(err)
		return
	}
	png, err := base64.StdEncoding.DecodeString(shot.Value)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600)
	}
	if err != nil {
		t.Error(err)
	}
}
