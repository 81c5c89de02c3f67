package config

import (
	"os"
	"path/filepath"
	"runtime"
)

// DefaultPath is where the configuration file is looked for: $XDG_CONFIG_HOME/postern/config.toml
// (~/.config), ~/Library/Application Support/postern/config.toml on macOS, %AppData%\postern\config.toml on
// Windows. It is "" when the environment does not tell.
func DefaultPath() string {
	return below(base(runtime.GOOS, os.Getenv, "XDG_CONFIG_HOME", ".config", "AppData"), "postern", "config.toml")
}

// DefaultStateDir is where accounts and tokens are kept: $XDG_STATE_HOME/postern (~/.local/state),
// ~/Library/Application Support/postern on macOS, %LocalAppData%\postern on Windows, which unlike %AppData%
// does not travel to other machines. It is "" when the environment does not tell.
func DefaultStateDir() string {
	return below(base(runtime.GOOS, os.Getenv, "XDG_STATE_HOME", filepath.Join(".local", "state"), "LocalAppData"), "postern")
}

// base is the directory that a system keeps for programs, or "".
func base(system string, getenv func(string) string, xdg, unix, windows string) string {
	switch system {
	case "windows":
		return getenv(windows)
	case "darwin":
		return below(getenv("HOME"), "Library", "Application Support")
	}
	// Relative paths in these variables are invalid (XDG Base Directory Specification 0.8).
	if dir := getenv(xdg); filepath.IsAbs(dir) {
		return dir
	}
	return below(getenv("HOME"), unix)
}

// below is "" when dir is: without a home nothing must land in the working directory.
func below(dir string, rest ...string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(append([]string{dir}, rest...)...)
}
