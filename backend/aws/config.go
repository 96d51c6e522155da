package aws

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strconv"
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

// variable returns the first of some variables that has a value, or the first of all.
func variable(value string, names ...string) string {
	for _, name := range names {
		if os.Getenv(name) == value {
			return name
		}
	}
	return names[0]
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
	setting := "region of the profile"
	switch region {
	case o.Region:
		setting = RegionOption
	case os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"):
		setting = variable(region, "AWS_REGION", "AWS_DEFAULT_REGION")
	}
	return misconfigured(setting, "%.80q is no region: it has lower-case letters, digits and hyphens, as in eu-west-1", region)
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

// checkEndpoints reports an endpoint that is no address of a server.
func (b *Backend) checkEndpoints(o Options) error {
	for s, endpoint := range map[*service]*string{
		b.onDB: b.db.Options().BaseEndpoint, b.onStreams: b.streams.Options().BaseEndpoint, b.onSQS: b.sqs.Options().BaseEndpoint,
	} {
		if endpoint == nil {
			continue
		}
		err := checkEndpoint(*endpoint)
		if err == nil {
			continue
		}
		setting := "endpoint_url of the profile"
		switch *endpoint {
		case o.EndpointURL:
			setting = EndpointURLOption
		case os.Getenv(s.variable), os.Getenv("AWS_ENDPOINT_URL"):
			setting = variable(*endpoint, s.variable, "AWS_ENDPOINT_URL")
		}
		return misconfigured(setting, "%w: it is http:// or https://, a host and perhaps a port, as in http://localhost:8000", err)
	}
	return nil
}

// checkEndpoint does not quote an endpoint: there may be a password in it.
func checkEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	switch {
	case strings.ContainsFunc(endpoint, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }):
		return errors.New("there is a blank or a line break in it")
	case !strings.Contains(endpoint, "://"):
		return errors.New("it has no scheme")
	case err != nil:
		return errors.New("it is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("its scheme is %.20q", u.Scheme)
	case u.Hostname() == "":
		return errors.New("it has no host")
	case u.User != nil:
		return errors.New("there is a user in it")
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "":
		return errors.New("there is more than a host in it")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fmt.Errorf("its port is %.20q", port)
		}
	}
	return nil
}
