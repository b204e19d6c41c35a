-- The PDF of a credit note, kept as it was sent.
CREATE TABLE credit_note_document (
    credit_note_id uuid PRIMARY KEY REFERENCES credit_note,
    pdf            bytea NOT NULL,
    sha256         bytea NOT NULL
);
CREATE TRIGGER credit_note_document_immutable BEFORE UPDATE OR DELETE ON credit_note_document
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
