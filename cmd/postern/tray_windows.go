package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/windows/registry"
)

// toastPatience is for PowerShell to start on a machine that is busy starting itself.
const toastPatience = time.Minute

// toastApp is how Windows names who notifies.
const toastApp = "Postern"

// toastScript shows a notification of Windows 10 and later. What it shows comes in the environment, because text
// within a script could become part of it. Source: learn.microsoft.com, Windows.UI.Notifications.
const toastScript = toastTypes + `
$null = [Windows.Data.Xml.Dom.XmlDocument, Windows.Data.Xml.Dom.XmlDocument, ContentType = WindowsRuntime]
$xml = New-Object Windows.Data.Xml.Dom.XmlDocument
$xml.LoadXml($env:POSTERN_TOAST)
$toast = New-Object Windows.UI.Notifications.ToastNotification $xml
$toast.Tag = $env:POSTERN_TOAST_TAG
$toast.Group = 'accounts'
[Windows.UI.Notifications.ToastNotificationManager]::CreateToastNotifier('` + toastApp + `').Show($toast)
`

// toastGone takes one back.
const toastGone = toastTypes + `
[Windows.UI.Notifications.ToastNotificationManager]::History.Remove($env:POSTERN_TOAST_TAG, 'accounts', '` + toastApp + `')
`

const toastTypes = `
$ErrorActionPreference = 'Stop'
$null = [Windows.UI.Notifications.ToastNotificationManager, Windows.UI.Notifications, ContentType = WindowsRuntime]`

// trayDesktop has the icon, and notifications by PowerShell.
type trayDesktop struct{ trayIcon }

func openDesktop(t *tray, quit context.CancelFunc) (desktop, error) {
	return &trayDesktop{trayIcon{t: t, quit: quit}}, nil
}

func (d *trayDesktop) run(ctx context.Context) error {
	d.trayIcon.run(ctx)
	return nil
}

func (d *trayDesktop) notify(n trayNotice) error {
	if err := registerToasts(); err != nil {
		return err
	}
	return d.powershell(toastScript, "POSTERN_TOAST="+toastXML(n), "POSTERN_TOAST_TAG="+toastTag(n.account))
}

// withdraw does not matter when it fails: the person has closed the notification, or will.
func (d *trayDesktop) withdraw(account string) {
	d.powershell(toastGone, "POSTERN_TOAST_TAG="+toastTag(account))
}

// registerToasts gives the notifications their name; Windows shows none of a program that it does not know.
func registerToasts() error {
	key, _, err := registry.CreateKey(registry.CURRENT_USER, `Software\Classes\AppUserModelId\`+toastApp, registry.SET_VALUE)
	if err != nil {
		return err
	}
	defer key.Close()
	return key.SetStringValue("DisplayName", toastApp)
}

func (d *trayDesktop) powershell(script string, env ...string) error {
	ctx, cancel := context.WithTimeout(d.t.ctx, toastPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "powershell.exe", "-NoProfile", "-NonInteractive", "-Command", script)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{HideWindow: true}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("powershell: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
