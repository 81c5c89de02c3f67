package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// roleArgument makes a process of this program play the role that the next argument names.
const roleArgument = "role"

// child is a process that plays a role, as the bench sees it. It ends when its standard input does, so
// that none is left behind however the bench ends. Its methods are called from one goroutine.
type child struct {
	role       string
	address    string // plain; "" for none
	tlsAddress string
	lines      lineDoors
	cmd        *exec.Cmd
	stdin      io.WriteCloser
	out        *json.Encoder
	in         *json.Decoder
}

func startChild(role string, s setup) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{role: role, cmd: exec.Command(self, roleArgument, role)}
	c.cmd.Stderr = os.Stderr
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out, c.in = json.NewEncoder(c.stdin), json.NewDecoder(stdout)
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	r, err := c.exchange(s)
	if err != nil {
		c.stop()
		return nil, err
	}
	c.address, c.tlsAddress, c.lines = r.Address, r.TLSAddress, r.Lines
	return c, nil
}

// ask sends a request and waits for its reply.
func (c *child) ask(q request) (reply, error) { return c.exchange(q) }

func (c *child) exchange(message any) (reply, error) {
	var r reply
	err := c.out.Encode(message)
	if err == nil {
		err = c.in.Decode(&r)
	}
	if err == nil && r.Error != "" {
		err = fmt.Errorf("%s", r.Error)
	}
	if err != nil {
		return r, fmt.Errorf("process %s: %w", c.role, err)
	}
	return r, nil
}

// resident returns the process's resident memory in KiB, after it has given back what it does not use.
func (c *child) resident() (float64, error) {
	if _, err := c.ask(request{Do: collect}); err != nil {
		return 0, err
	}
	return residentKiB(c.cmd.Process.Pid)
}

// stop ends the process and waits until it is gone.
func (c *child) stop() {
	c.stdin.Close()
	kill := time.AfterFunc(2*time.Second, func() { c.cmd.Process.Kill() })
	defer kill.Stop()
	c.cmd.Wait()
}
