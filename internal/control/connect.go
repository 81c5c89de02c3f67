package control

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"

	"postern/auth"
	"postern/proxy"
)

// Tunnels opens sessions for clients that need no login. *proxy.Server is one.
type Tunnels interface {
	Preauth(ctx context.Context, account auth.Account, take func() (net.Conn, []byte, error)) error
}

// tunnelProtocol is the name in the Upgrade field (RFC 9110 section 7.8).
const tunnelProtocol = "imap-preauth"

// refusedTunnel is the answer to a tunnel that can not be opened.
type refusedTunnel struct {
	Error string `json:"error"`
	Bye   string `json:"bye,omitempty"`
	Class string `json:"class,omitempty"`
	Code  string `json:"code,omitempty"`
	Say   string `json:"say,omitempty"`
	Cure  string `json:"cure,omitempty"`
}

// connect turns the request's connection into a mail session of ?account=. Whoever can open the socket may:
// the system user is the credential.
func (s *Server) connect(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != tunnelProtocol || s.Tunnels == nil {
		w.Header().Set("Upgrade", tunnelProtocol)
		http.Error(w, "upgrade to "+tunnelProtocol, http.StatusUpgradeRequired)
		return
	}
	s.tunnels.RLock()
	defer s.tunnels.RUnlock()
	account, err := s.Accounts.Account(r.Context(), r.URL.Query().Get("account"))
	taken := false
	if err == nil {
		err = s.Tunnels.Preauth(r.Context(), account, func() (net.Conn, []byte, error) {
			taken = true
			return upgrade(w)
		})
	}
	if err == nil || taken {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	status := http.StatusBadGateway
	if errors.Is(err, auth.ErrUnknownAccount) {
		status = http.StatusNotFound
	}
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(refusal(err))
}

func refusal(err error) refusedTunnel {
	a := refusedTunnel{Error: err.Error()}
	if refused, ok := errors.AsType[*proxy.PreauthRefused](err); ok {
		a.Bye = refused.Bye
	}
	if p, ok := errors.AsType[*auth.Problem](err); ok {
		a.Class, a.Code, a.Say, a.Cure = p.Class.String(), p.Code, p.Say, p.Cure
	}
	return a
}

// upgrade takes the connection away from HTTP, with what the client has sent behind its request.
func upgrade(w http.ResponseWriter) (net.Conn, []byte, error) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	early, err := rw.Reader.Peek(rw.Reader.Buffered())
	if err == nil {
		_, err = conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + tunnelProtocol + "\r\n\r\n"))
	}
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, append([]byte(nil), early...), nil
}

// Wait returns when every tunnel has ended. They end with the context of their requests.
func (s *Server) Wait() {
	s.tunnels.Lock()
	defer s.tunnels.Unlock()
}
