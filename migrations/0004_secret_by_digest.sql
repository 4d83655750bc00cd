-- Finds the object that a secret belongs to by the secret's keyed digest: a token by the key that a request bears, without
-- opening or walking what is sealed. Whoever does not have the store's key cannot tell which digest a guess would have.
CREATE INDEX secret_by_digest ON secret (digest);
