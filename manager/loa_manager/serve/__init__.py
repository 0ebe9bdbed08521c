"""The server of a province in one process: broker, enrolment, time, content, ingest and head."""
