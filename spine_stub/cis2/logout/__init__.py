"""How applications learn that somebody's session is over: card out, log-out, time limits, a test."""
