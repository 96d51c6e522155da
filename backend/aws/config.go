package aws

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"unicode"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
)

// ConfigError says that a setting cannot be right, so no call was made. Its text
// contains no secret.
type ConfigError struct {
	// Setting is what to correct: a variable, a setting of a profile, or a field of
	// [Options].
	Setting string
	Err     error
}

func (e *ConfigError) Error() string { return e.Setting + ": " + e.Err.Error() }

// Unwrap returns what is wrong with the setting.
func (e *ConfigError) Unwrap() error { return e.Err }

// Fields of [Options], as a [ConfigError] names them.
const (
	RegionOption      = "Options.Region"
	EndpointURLOption = "Options.EndpointURL"
)

func misconfigured(setting, format string, args ...any) error {
	return invalid("open AWS", &ConfigError{setting, fmt.Errorf(format, args...)})
}

// explainConfig names the setting that makes the SDK's configuration fail.
func explainConfig(err error) error {
	if missing, ok := errors.AsType[config.SharedConfigProfileNotExistError](err); ok {
		return misconfigured("AWS_PROFILE", "there is no profile %.80q in %s", missing.Profile, strings.Join(missing.Filename, " or "))
	}
	return misconfigured("the configuration of AWS", "%w", err)
}

// origin is what to correct where a value is wrong: the field of [Options] that has it,
// or the first of some variables that does, or else the profile's setting.
func origin(value, option, optionValue, profile string, variables ...string) string {
	if value == optionValue {
		return option
	}
	for _, name := range variables {
		if os.Getenv(name) == value {
			return name
		}
	}
	return profile
}

// hostLabel is what may stand in the host name of a region's endpoints.
var hostLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func checkRegion(region string, o Options) error {
	if region == "" {
		return misconfigured("AWS_REGION", "there is no region: set it, or name a profile that has one")
	}
	if hostLabel.MatchString(region) {
		return nil
	}
	setting := origin(region, RegionOption, o.Region, "region of the profile", "AWS_REGION", "AWS_DEFAULT_REGION")
	return misconfigured(setting, "%.80q is not a region: it has lower-case letters, digits and hyphens, as in eu-west-1", region)
}

// checkPair reports one half of a pair of keys in the environment: the SDK would look
// for others, and perhaps find some.
func checkPair() error {
	const id, secret = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
	hasID := os.Getenv(id) != "" || os.Getenv("AWS_ACCESS_KEY") != ""
	hasSecret := os.Getenv(secret) != "" || os.Getenv("AWS_SECRET_KEY") != ""
	switch {
	case hasID && !hasSecret:
		return misconfigured(secret, "it is missing, and %s is set: set both or neither", id)
	case hasSecret && !hasID:
		return misconfigured(id, "it is missing, and %s is set: set both or neither", secret)
	}
	return nil
}

// checkCharacters reports characters in credentials that no key has, such as the
// newline at the end of the file that it was read from.
func checkCharacters(c awssdk.Credentials) error {
	for _, part := range []struct{ value, variable, setting string }{
		{c.AccessKeyID, "AWS_ACCESS_KEY_ID", "aws_access_key_id"},
		{c.SecretAccessKey, "AWS_SECRET_ACCESS_KEY", "aws_secret_access_key"},
		{c.SessionToken, "AWS_SESSION_TOKEN", "aws_session_token"},
	} {
		at := strings.IndexFunc(part.value, func(r rune) bool { return r <= ' ' || r > unicode.MaxASCII || !unicode.IsPrint(r) })
		if at < 0 {
			continue
		}
		setting := part.variable
		if c.Source != config.CredentialsSourceName {
			setting = fmt.Sprintf("%s (%s)", part.setting, c.Source)
		}
		return misconfigured(setting, "character %d of %d is a blank, a line break or something else that no key has: take it out",
			len([]rune(part.value[:at]))+1, len([]rune(part.value)))
	}
	return nil
}
